#include "interruptible_call.hpp"

#include <unistd.h>

#include <atomic>
#include <cmath>
#include <string>

namespace sluice::python {

namespace {
std::atomic<bool> interpreter_ends{false};
}

void stay_asleep_from_now_on() noexcept { interpreter_ends = true; }

InterruptibleCall::~InterruptibleCall() {
  if (interrupted_) PyErr_Clear();  // another exception is on its way
}

bool InterruptibleCall::after_sleep() noexcept {
  while (interpreter_ends && ::getpid() != ::gettid()) ::pause();
  PyEval_RestoreThread(state_);
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
