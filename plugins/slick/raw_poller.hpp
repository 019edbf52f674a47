#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include <sluice/shm/doorbell.hpp>
#include <sluice/shm/poll_pace.hpp>

namespace sluice::slick {

class RawPoller;

/// A raw reader's order to the process's one polling thread: look for me while I sleep.
///
/// Thread safety: `arm` is called by the reader's thread; `ready` is called by the polling thread, only between an arm
/// and the ring that answers it, and never after the destructor has begun.
class PollWatch {
 public:
  /// `bell` is rung when `ready()` says that there is something to take. Both outlive the watch.
  PollWatch(std::function<bool()> ready, shm::Doorbell& bell);
  ~PollWatch();
  PollWatch(const PollWatch&) = delete;
  PollWatch& operator=(const PollWatch&) = delete;

  /// Begins to watch; `traffic`: messages came since the last call. How long the reader may sleep by itself: for ever,
  /// unless there is no thread to watch for it.
  [[nodiscard]] std::chrono::nanoseconds arm(bool traffic) noexcept;

 private:
  friend class RawPoller;
  [[nodiscard]] std::chrono::nanoseconds period(std::int64_t now) const noexcept {
    return shm::poll_period(now, last_traffic_ns_.load(std::memory_order_relaxed));
  }

  std::function<bool()> ready_;
  shm::Doorbell& bell_;
  std::atomic<bool> armed_{false};
  std::atomic<std::int64_t> last_traffic_ns_{INT64_MIN / 2};
  std::shared_ptr<RawPoller> poller_;  ///< Null: no thread could be started.
};

}  // namespace sluice::slick
