#include "node/deadline_watch.hpp"

#include <algorithm>

#include <sluice/shm/deadline.hpp>

namespace sluice::detail {

namespace {

/// Shorter deadlines are looked at this often: nobody's scheduler keeps shorter ones.
constexpr std::int64_t kShortestWaitNs = 1'000'000;

}  // namespace

DeadlineWatch::DeadlineWatch(boost::asio::io_context& control, std::string topic, std::chrono::nanoseconds deadline,
                             EndpointStatistics& statistics)
    : control_(control), timer_(control), topic_(std::move(topic)), deadline_(deadline), statistics_(&statistics) {}

void DeadlineWatch::begin() {
  boost::asio::post(control_,
                    [self = shared_from_this()] { self->wait_until(shm::monotonic_ns() + self->deadline_.count()); });
}

void DeadlineWatch::end() noexcept {
  {
    const std::lock_guard lock(mutex_);
    statistics_ = nullptr;
    callback_ = {};
  }
  try {
    boost::asio::post(control_, [self = shared_from_this()] { self->timer_.cancel(); });
  } catch (const std::bad_alloc&) {
    // The next look ends it.
  }
}

void DeadlineWatch::set_callback(Callback callback) {
  const std::lock_guard lock(mutex_);
  callback_ = std::move(callback);
}

void DeadlineWatch::wait_until(std::int64_t ns) {
  due_ns_ = std::max(ns, shm::monotonic_ns() + kShortestWaitNs);
  timer_.expires_at(std::chrono::steady_clock::time_point(std::chrono::nanoseconds{due_ns_}));
  timer_.async_wait([self = shared_from_this()](const auto& error) {
    if (!error) self->look();
  });
}

/// `due_ns_` was the last message's time and a deadline, or that of the last one missed and a deadline.
void DeadlineWatch::look() {
  const std::int64_t last = last_ns_.load(std::memory_order_relaxed);
  DeadlineEvent event{topic_, deadline_, 0};
  Callback callback;
  {
    const std::lock_guard lock(mutex_);
    if (statistics_ == nullptr) return;
    const bool missed = last != 0 && last + deadline_.count() <= due_ns_;
    if (!missed) return wait_until((last == 0 ? shm::monotonic_ns() : last) + deadline_.count());
    event.total = statistics_->deadlines_missed.fetch_add_relaxed(1) + 1;
    callback = callback_;
  }
  if (callback) callback(event);
  wait_until(due_ns_ + deadline_.count());
}

}  // namespace sluice::detail
