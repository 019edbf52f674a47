#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <sluice/shm/segment.hpp>

#include "slick/raw_layout.hpp"

namespace sluice::slick {

/// What a raw segment is asked to be.
struct RawRequest {
  std::string name;  ///< "/ticks"; "ticks" is the same segment.
  std::uint32_t element_size = 0;
  std::uint32_t capacity = 0;      ///< Power of two; used when creating.
  bool capacity_required = false;  ///< Refuse an existing segment of another capacity.
  bool adopt = true;               ///< Mark a 1.2.x or Python segment so that 1.3.0 and 1.4.0 programs do not wipe it.
  shm::Access access;
  std::chrono::nanoseconds patience = std::chrono::seconds{2};  ///< For a creator that is still initialising.
};

/// An attached SlickQueue segment. Never unlinked on our own initiative: other programs own its name.
struct RawSegment {
  shm::Mapping mapping;
  std::uint32_t capacity = 0;
  std::uint32_t element_size = 0;
  bool tracks_last_published = false;  ///< Created as 1.4.0 does; otherwise bytes 16..27 are never written.
  bool created = false;
};

/// "/dev/shm/ticks" for "ticks" and "/ticks". Throws Error for an empty name or one with further slashes.
[[nodiscard]] std::string raw_path(const std::string& name);

/// Attaches, or creates it complete under an unnamed file so that no program ever sees it half made.
/// Throws Error naming the segment, what was found and what was expected.
[[nodiscard]] RawSegment open_raw_segment(const RawRequest& request);

/// Attaches only; throws Error when it does not exist.
[[nodiscard]] RawSegment attach_raw_segment(const RawRequest& request);

}  // namespace sluice::slick
