#include "slick/raw_poller.hpp"

#include <sluice/shm/file_lock.hpp>
#include <sluice/shm/service_thread.hpp>

#include <algorithm>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

namespace sluice::slick {

/// The one thread that looks at the raw segments of all sleeping readers of this process. It runs while there are
/// watches, and sleeps without a period while none is armed.
class RawPoller {
 public:
  RawPoller() : thread_(shm::start_service_thread([this] { run(); })) {}
  ~RawPoller() {
    if (fork_generation_ != shm::fork_generation()) {
      thread_.detach();  // it runs in the parent only
      return;
    }
    stop_ = true;
    wake_.ring();
    thread_.join();
  }
  RawPoller(const RawPoller&) = delete;
  RawPoller& operator=(const RawPoller&) = delete;

  void add(PollWatch& watch) {
    const std::lock_guard lock(mutex_);
    watches_.push_back(&watch);
  }
  void remove(PollWatch& watch) noexcept {
    const std::lock_guard lock(mutex_);
    std::erase(watches_, &watch);
  }

  /// SYNC arm→sleep: the watch is armed before this; the thread announces its next look before it looks for armed
  /// watches a last time. One of the two sees the other.
  void armed(std::int64_t wanted_ns) noexcept {
    shm::fence_seq_cst();
    if (next_look_ns_.load(std::memory_order_seq_cst) > wanted_ns) wake_.ring();
  }

 private:
  void run();
  std::optional<std::chrono::nanoseconds> look();

  std::uint32_t fork_generation_ = shm::fork_generation();
  std::mutex mutex_;
  std::vector<PollWatch*> watches_;
  std::atomic<std::int64_t> next_look_ns_{0};
  std::atomic<bool> stop_{false};
  shm::Doorbell wake_{};
  std::thread thread_;
};

void RawPoller::run() {
  while (!stop_) {
    const std::uint32_t value = wake_.arm();
    next_look_ns_.store(0, std::memory_order_seq_cst);
    auto period = look();
    const std::int64_t next = period ? shm::monotonic_ns() + period->count() : INT64_MAX;
    next_look_ns_.store(next, std::memory_order_seq_cst);
    shm::fence_seq_cst();
    if (!period) {
      period = look();
      if (period) continue;  // armed in the meantime
    }
    if (!stop_) wake_.sleep(value, period ? shm::Deadline::at(next) : shm::Deadline::never());
  }
}

/// Rings for every watch that has something; how long the others may wait, nothing if there are none.
std::optional<std::chrono::nanoseconds> RawPoller::look() {
  const std::lock_guard lock(mutex_);
  const std::int64_t now = shm::monotonic_ns();
  std::optional<std::chrono::nanoseconds> period;
  for (PollWatch* watch : watches_) {
    if (!watch->armed_.load(std::memory_order_acquire)) continue;
    if (watch->ready_()) {
      watch->armed_.store(false, std::memory_order_relaxed);
      watch->last_traffic_ns_.store(now, std::memory_order_relaxed);
      watch->bell_.ring();
      continue;
    }
    const std::chrono::nanoseconds wanted = watch->period(now);
    period = std::min(period.value_or(wanted), wanted);
  }
  return period;
}

PollWatch::PollWatch(std::function<bool()> ready, shm::Doorbell& bell)
    : ready_(std::move(ready)), bell_(bell), poller_(shm::process_service<RawPoller>()) {
  if (poller_) poller_->add(*this);
}

PollWatch::~PollWatch() {
  if (poller_) poller_->remove(*this);
}

std::chrono::nanoseconds PollWatch::arm(bool traffic) noexcept {
  const std::int64_t now = shm::monotonic_ns();
  if (traffic) last_traffic_ns_.store(now, std::memory_order_relaxed);
  const std::chrono::nanoseconds period = this->period(now);
  if (!poller_) return period;
  armed_.store(true, std::memory_order_release);
  poller_->armed(now + period.count());
  return shm::kLongestSleep;
}

}  // namespace sluice::slick
