#pragma once

#include <chrono>
#include <cstdint>

#include "slick/topic_file.hpp"

namespace sluice::slick {

/// Watches a position that was granted and is not published, and repairs it: the reader's part in "Holes" of
/// PROTOCOL.md. Used by one thread.
///
/// A dead or stopped publisher's position is given up `hole_timeout` after it was first seen; that of a publisher that
/// merely does not run (preempted on a busy machine, throttled) `stall_timeout` after, for giving it up costs a
/// message. Positions that were granted when the first hole was seen are as old as that one: several in a row are
/// waited for once.
class HoleWatch {
 public:
  HoleWatch(TopicFile& file, std::chrono::nanoseconds hole_timeout, std::chrono::nanoseconds stall_timeout) noexcept
      : file_(file), hole_timeout_ns_(hole_timeout.count()), stall_timeout_ns_(stall_timeout.count()) {}

  /// `position` was not published when `reserved` was loaded. Whether it was a hole that is none any more.
  bool look(std::uint64_t position, std::uint64_t reserved) noexcept;

  /// How long until the next look makes sense; at least a microsecond. Nothing to watch: `otherwise`.
  [[nodiscard]] std::chrono::nanoseconds until_next_look(std::chrono::nanoseconds otherwise) const noexcept;

 private:
  static constexpr std::uint64_t kNone = UINT64_MAX;

  void repair(std::uint64_t position) noexcept;

  TopicFile& file_;
  std::int64_t hole_timeout_ns_;
  std::int64_t stall_timeout_ns_;
  std::uint64_t hole_ = kNone;       ///< Waited at
  std::int64_t since_ns_ = 0;        ///< since then, as
  std::uint64_t granted_until_ = 0;  ///< everything below this position that is not published;
  std::int64_t look_ns_ = 0;         ///< looked at again then.
};

}  // namespace sluice::slick
