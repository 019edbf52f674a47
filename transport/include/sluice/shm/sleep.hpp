#pragma once

#include <chrono>

#include <sluice/export.hpp>

namespace sluice::shm {

/// What a thread wants done around every sleep inside this library: a binding to a language with one lock for all
/// threads gives that lock back meanwhile, and runs the language's signal handlers afterwards.
class SLUICE_EXPORT SleepObserver {
 public:
  SleepObserver() = default;
  SleepObserver(const SleepObserver&) = delete;
  SleepObserver& operator=(const SleepObserver&) = delete;
  virtual ~SleepObserver();

  /// The thread is about to sleep.
  virtual void before_sleep() noexcept = 0;

  /// It woke up. False: whoever sleeps returns as if its time were over, and so does every sleep of the scope after it.
  [[nodiscard]] virtual bool after_sleep() noexcept = 0;
};

/// Makes `observer` this thread's until the end of the scope. Scopes nest; the innermost counts.
class SLUICE_EXPORT SleepScope {
 public:
  explicit SleepScope(SleepObserver& observer) noexcept;  ///< `observer` outlives the scope.
  ~SleepScope();
  SleepScope(const SleepScope&) = delete;
  SleepScope& operator=(const SleepScope&) = delete;

 private:
  friend class ObservedSleep;
  friend bool sleep_cancelled() noexcept;
  SleepObserver& observer_;
  SleepScope* outer_;
  bool cancelled_ = false;
};

/// Around a system call that sleeps. Costs one look at a thread-local pointer when nobody observes.
class SLUICE_EXPORT ObservedSleep {
 public:
  ObservedSleep() noexcept;
  ~ObservedSleep();
  ObservedSleep(const ObservedSleep&) = delete;
  ObservedSleep& operator=(const ObservedSleep&) = delete;

 private:
  SleepScope* scope_;
};

/// Whether this thread's observer wants it to stop waiting. Every loop that sleeps asks.
[[nodiscard]] SLUICE_EXPORT bool sleep_cancelled() noexcept;

/// Sleeps, as an observed sleep; shorter when a signal arrives.
SLUICE_EXPORT void sleep_for(std::chrono::nanoseconds duration) noexcept;

}  // namespace sluice::shm
