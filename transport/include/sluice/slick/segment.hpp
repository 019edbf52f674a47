#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <sluice/export.hpp>
#include <sluice/shm/segment.hpp>
#include <sluice/slick/ring.hpp>

namespace sluice::slick {

/// What a SlickQueue segment is asked to be.
struct SegmentRequest {
  std::string name;                ///< "/ticks"; "ticks" is the same segment.
  std::uint32_t element_size = 0;  ///< In bytes; 0: whatever is there (attaching only).
  std::uint32_t capacity = 0;      ///< In elements, a power of two; used when creating.
  bool capacity_required = false;  ///< Refuse an existing segment of another capacity.
  bool adopt = true;               ///< Mark a 1.2.x or Python segment so that 1.3.0 and 1.4.0 programs do not wipe it.
  bool read_only = false;          ///< Attach for reading: needs no right to write, changes nothing, adopts nothing.
  shm::Access access;              ///< Of a segment that is created.
  std::chrono::nanoseconds patience = std::chrono::seconds{2};  ///< For a creator that is still initialising.
};

/// An attached SlickQueue segment. Unmapped by the destructor; the name is left alone.
struct Segment {
  shm::Mapping mapping;      ///< The whole segment.
  RingMemory memory;         ///< Inside the mapping.
  std::string path;          ///< "/dev/shm/ticks".
  std::uint64_t device = 0;  ///< With `inode`: which file is mapped; the path may mean another one by now.
  std::uint64_t inode = 0;   ///< See `device`.
  bool created = false;      ///< By this call.
};

/// "/dev/shm/ticks" for "ticks" and "/ticks". Throws Error for an empty name or one with further slashes.
[[nodiscard]] SLUICE_EXPORT std::string segment_path(const std::string& name);

/// What slick_queue asks for when it creates a file; see shm::umask_access.
inline constexpr std::uint32_t kUpstreamMode = 0666;

/// Attaches, or creates it complete under an unnamed file, so that no program ever sees it half made. May wait for
/// `patience`. Throws Error naming the segment, what was found and what was expected.
[[nodiscard]] SLUICE_EXPORT Segment open_segment(const SegmentRequest& request);

/// Attaches only. Throws Error as open_segment does, and when it does not exist: with the existing segments of similar
/// names.
[[nodiscard]] SLUICE_EXPORT Segment attach_segment(const SegmentRequest& request);

/// Unlinks the segment's name if it still means this segment; whether it did.
SLUICE_EXPORT bool remove_segment(const Segment& segment) noexcept;

}  // namespace sluice::slick
