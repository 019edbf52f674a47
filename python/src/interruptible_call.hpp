#pragma once

#include <pybind11/pybind11.h>

#include <chrono>

#include <sluice/shm/sleep.hpp>

namespace sluice::python {

/// Takes the interpreter's lock after it was given back; does not return in a thread that would have to end there.
void take_lock_back(PyThreadState* state) noexcept;

/// Around a call into the library that may sleep. The interpreter's lock is held except while the library sleeps, so
/// that lock also protects what the library wants used by one thread at a time; after each sleep Python runs its signal
/// handlers, and if one of them raises (Ctrl-C), whatever waits returns and `finish` raises.
class InterruptibleCall final : private shm::SleepObserver {
 public:
  /// `stop`: whatever waits returns once it is true, too.
  explicit InterruptibleCall(const bool* stop = nullptr) noexcept : stop_(stop), scope_(*this) {}
  ~InterruptibleCall() override;

  /// Raises what a signal handler raised. Call it when the library has returned.
  void finish() {
    if (!interrupted_) return;
    interrupted_ = false;
    throw pybind11::error_already_set();
  }

 private:
  void before_sleep() noexcept override { state_ = PyEval_SaveThread(); }
  [[nodiscard]] bool after_sleep() noexcept override;

  const bool* stop_;
  PyThreadState* state_ = nullptr;
  bool interrupted_ = false;  ///< Python's error is set.
  shm::SleepScope scope_;
};

/// Runs `body`, which throws nothing and needs nothing of Python, while other threads of Python run.
template <typename Body>
auto without_lock(const Body& body) noexcept {
  PyThreadState* const state = PyEval_SaveThread();
  const auto result = body();
  take_lock_back(state);
  return result;
}

/// From now on other threads than the main one do not come back from a sleep: the interpreter is ending, and would end
/// them in a way that C++ does not survive. Those that are just waking up come back first.
void stay_asleep_from_now_on();

/// A duration in Python's seconds; None is for ever. Throws ValueError for what is no time.
[[nodiscard]] std::chrono::nanoseconds duration_of(const pybind11::object& seconds, const char* what);

}  // namespace sluice::python
