#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>

namespace sluice::python {

/// A Python integer (or what has __index__) from 0 to `largest`. Throws ValueError "WHAT must be a number from 0 to
/// ..., not -1", TypeError for what is no integer.
[[nodiscard]] inline std::uint64_t unsigned_of(pybind11::handle value, const char* what,
                                               std::uint64_t largest = UINT64_MAX) {
  const auto number = pybind11::reinterpret_steal<pybind11::object>(PyNumber_Index(value.ptr()));
  if (!number) throw pybind11::error_already_set();
  const std::uint64_t result = PyLong_AsUnsignedLongLong(number.ptr());
  const bool failed = PyErr_Occurred() != nullptr;
  if (!failed && result <= largest) return result;
  PyErr_Clear();
  throw pybind11::value_error(std::string(what) + " must be a number from 0 to " + std::to_string(largest) + ", not " +
                              std::string(pybind11::str(number)));
}

}  // namespace sluice::python
