#include "interruptible_call.hpp"

#include <unistd.h>

#include <atomic>
#include <cmath>
#include <string>

namespace sluice::python {

namespace {
std::atomic<bool> interpreter_ends{false};
std::atomic<int> waking{0};  ///< Threads that decided to take the lock and do not have it yet.
}  // namespace

void stay_asleep_from_now_on() {
  // Sequentially consistent, as the increment and the look in take_lock_back: either we see that a thread is waking and
  // let it have the lock now, while it can still be had, or it sees that it may not wake up.
  interpreter_ends = true;
  const pybind11::gil_scoped_release release;
  while (waking != 0) ::usleep(100);
}

InterruptibleCall::~InterruptibleCall() {
  if (interrupted_) PyErr_Clear();  // another exception is on its way
}

void take_lock_back(PyThreadState* state) noexcept {
  ++waking;
  if (interpreter_ends && ::getpid() != ::gettid()) {
    --waking;
    for (;;) ::pause();
  }
  PyEval_RestoreThread(state);
  --waking;
}

bool InterruptibleCall::after_sleep() noexcept {
  take_lock_back(state_);
  if (!interrupted_) interrupted_ = PyErr_CheckSignals() != 0;
  return !interrupted_ && (stop_ == nullptr || !*stop_);
}

std::chrono::nanoseconds duration_of(const pybind11::object& seconds, const char* what) {
  constexpr double kLongest = 1e9;  // in seconds; beyond it everything is for ever
  if (seconds.is_none()) return std::chrono::nanoseconds::max();
  const double value = PyFloat_AsDouble(seconds.ptr());
  if (PyErr_Occurred() != nullptr) throw pybind11::error_already_set();
  if (std::isnan(value) || value < 0) {
    throw pybind11::value_error(std::string(what) + " must be a number of seconds from 0 on, or None for ever, not " +
                                std::string(pybind11::str(seconds)));
  }
  if (value >= kLongest) return std::chrono::nanoseconds::max();
  return std::chrono::nanoseconds(static_cast<std::int64_t>(value * 1e9));
}

}  // namespace sluice::python
