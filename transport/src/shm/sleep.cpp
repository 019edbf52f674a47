#include <sluice/shm/sleep.hpp>

#include <time.h>

#include <sluice/shm/deadline.hpp>

namespace sluice::shm {

namespace {
thread_local SleepScope* innermost = nullptr;
}

SleepObserver::~SleepObserver() = default;

SleepScope::SleepScope(SleepObserver& observer) noexcept : observer_(observer), outer_(innermost) { innermost = this; }
SleepScope::~SleepScope() { innermost = outer_; }

ObservedSleep::ObservedSleep() noexcept : scope_(innermost) {
  if (scope_ != nullptr) scope_->observer_.before_sleep();
}

ObservedSleep::~ObservedSleep() {
  if (scope_ != nullptr && !scope_->observer_.after_sleep()) scope_->cancelled_ = true;
}

bool sleep_cancelled() noexcept { return innermost != nullptr && innermost->cancelled_; }

void sleep_for(std::chrono::nanoseconds duration) noexcept {
  const timespec until = Deadline::after(duration).as_timespec();
  const ObservedSleep observed;
  ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
}

}  // namespace sluice::shm
