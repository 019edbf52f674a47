#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <sluice/eshm/layout.hpp>
#include <sluice/eshm/mailbox.hpp>
#include <sluice/export.hpp>
#include <sluice/shm/file_lock.hpp>
#include <sluice/shm/segment.hpp>

namespace sluice::eshm {

/// What an ESHM segment is asked to be.
struct SegmentRequest {
  std::string name;                        ///< The channel's: "robot".
  std::size_t max_size = kDefaultMaxSize;  ///< Largest message in bytes; both sides' must be the same.
  Protocol protocol = Protocol::v3;        ///< Of a segment that is created; an existing one says its own.
  std::uint32_t stale_threshold_ms = 100;  ///< Of a segment that is created.
  bool read_only = false;                  ///< Attach for reading: needs no right to write, and takes no locks.
  shm::Access access;                      ///< Of a segment that is created.
  std::chrono::nanoseconds patience = std::chrono::seconds{2};  ///< For a creator that is still initialising.
};

/// An attached ESHM segment. Unmapped by the destructor; the name is left alone.
struct Segment {
  shm::Mapping mapping;              ///< The whole segment.
  shm::FileLock lock;                ///< Of the same file, and nothing locked yet; none if it is read-only.
  std::string path;                  ///< "/dev/shm/eshm_robot".
  std::size_t max_size = 0;          ///< In bytes.
  Protocol protocol = Protocol::v3;  ///< What the header said when it was checked.
  std::uint64_t device = 0;          ///< With `inode`: which file is mapped.
  std::uint64_t inode = 0;           ///< The path may mean another one by now.
  bool created = false;              ///< By this call.
  bool read_only = false;            ///< Its mailboxes can be read, and that is all.

  /// Whether the name still means this file.
  [[nodiscard]] bool named() const noexcept { return shm::name_means(path, inode); }

  /// Inside the mapping.
  [[nodiscard]] Header& header() const noexcept { return *mapping.at<Header>(0); }

  /// The mailbox that `writer` writes.
  [[nodiscard]] SLUICE_EXPORT MailboxMemory mailbox(Side writer) const noexcept;
};

/// "/dev/shm/eshm_robot" for "robot", as the original makes it: every further '/' becomes '_', and 254 characters are
/// kept. Throws Error for an empty name.
[[nodiscard]] SLUICE_EXPORT std::string segment_path(const std::string& name);

/// Attaches; nothing if there is no file of that name. May wait for `patience`. Throws Error naming the segment, what
/// was found and what was expected.
[[nodiscard]] SLUICE_EXPORT std::optional<Segment> attach_segment(const SegmentRequest& request);

/// Makes a complete segment under an unnamed file, so that no program ever sees it half made, and gives it its name.
/// `announce` may write the header and take locks before anybody else can. Nothing: the name exists.
[[nodiscard]] SLUICE_EXPORT std::optional<Segment> create_segment(const SegmentRequest& request,
                                                                  const std::function<void(Segment&)>& announce);

/// Takes a place among the readers of the mailbox that `writer` writes, with `lock`, which gives it up when it goes.
/// Throws Error when all 4096 are taken.
SLUICE_EXPORT void take_reader_place(shm::FileLock& lock, Side writer);

/// All the max_size whose segments are equally long: a segment does not say which of them it was made for.
struct MaxSizes {
  std::size_t least = 0;  ///< In bytes.
  std::size_t most = 0;   ///< In bytes.

  /// "4096" or "4089 to 4152".
  [[nodiscard]] SLUICE_EXPORT std::string text() const;
};

/// Of a segment of `bytes` bytes; {0, 0} if there is none.
[[nodiscard]] SLUICE_EXPORT MaxSizes max_sizes_of(std::uint64_t bytes) noexcept;

}  // namespace sluice::eshm
