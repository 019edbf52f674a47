#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <utility>

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/kill_point.hpp>
#include <sluice/shm/sleep.hpp>

#include "slick/topic_file.hpp"

namespace sluice::slick {

/// How a wait for room ended.
enum class Room {
  found,
  timeout,  ///< Not within max_blocking_time.
  own,      ///< The calling thread waits for a subscription that it takes from itself, and so for ever.
};

/// How a producer waits for the readers of a full reliable topic: it spins for a moment, then sleeps on `space`,
/// removes readers that died and evicts one that has not moved for `evict_after`. Used by one thread.
class BackPressure {
 public:
  /// `reserved`: loads how many positions were granted.
  BackPressure(TopicFile& file, std::chrono::nanoseconds evict_after, std::chrono::nanoseconds max_blocking_time,
               std::function<std::uint64_t()> reserved)
      : file_(file), evict_after_(evict_after), max_blocking_time_(max_blocking_time), reserved_(std::move(reserved)) {}

  /// Waits until `advance()` says that there is room. The caller's record is idle.
  template <typename Advance>
  [[nodiscard]] Room wait(Advance advance) noexcept {
    for (int spin = 0; spin < kSpinsBeforeSleep; ++spin) {
      shm::spin_pause();
      if (advance()) return Room::found;
    }
    const shm::Deadline deadline = shm::Deadline::after(max_blocking_time_);
    for (;;) {
      // SYNC space: arm is seq_cst and precedes the scan; readers publish their cursor by exchange, then look at the
      // bit.
      const std::uint32_t value = file_.control().space.arm();
      SLUICE_KILL_POINT("slick.space.armed");
      if (advance()) return Room::found;
      if (own_reader_moves()) continue;
      // Before the deadline is looked at: a publisher that may not wait at all must get past a dead reader too.
      if (deal_with_slowest()) continue;
      if (deadline.passed() || shm::sleep_cancelled()) return Room::timeout;
      if (slowest_is_own()) return Room::own;
      file_.control().space.sleep(value, earlier(deadline, shm::Deadline::after(kLongestSleep)));
    }
  }

  /// Whoever held us up has moved; a later stall counts anew.
  void moved() noexcept { stall_ = {}; }

 private:
  static constexpr std::chrono::milliseconds kLongestSleep{20};  // a dead reader wakes nobody: look this often
  static constexpr int kSpinsBeforeSleep = 200;

  /// Takes the place from the reader or the group that holds us up if it is dead or stopped; whether it did.
  bool deal_with_slowest() noexcept;

  /// Makes the reader that holds us up show what it has given back, if the calling thread is the one that takes from
  /// it; whether that helped.
  [[nodiscard]] bool own_reader_moves() noexcept;

  /// Whether the reader that holds us up is taken from by the calling thread.
  [[nodiscard]] bool slowest_is_own() noexcept;

  TopicFile& file_;
  std::chrono::nanoseconds evict_after_;
  std::chrono::nanoseconds max_blocking_time_;
  std::function<std::uint64_t()> reserved_;

  struct Stall {
    std::uint32_t entry = 0;
    bool is_group = false;
    std::uint64_t cursor = UINT64_MAX;
    std::uint32_t state = 0;
    std::int64_t since_ns = 0;
  } stall_;  ///< The reader that holds us up, and since when it has not moved.
};

}  // namespace sluice::slick
