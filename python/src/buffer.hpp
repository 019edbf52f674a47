#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <span>

namespace sluice::python {

/// The bytes of anything with the buffer protocol that has them in one piece; nobody changes their number meanwhile.
class Buffer {
 public:
  /// Throws what the object's buffer protocol raises.
  explicit Buffer(pybind11::handle object) {
    if (PyObject_GetBuffer(object.ptr(), &view_, PyBUF_SIMPLE) != 0) throw pybind11::error_already_set();
  }
  ~Buffer() { PyBuffer_Release(&view_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
    return {static_cast<const std::byte*>(view_.buf), static_cast<std::size_t>(view_.len)};
  }

 private:
  Py_buffer view_{};
};

}  // namespace sluice::python
