#pragma once

#include <pybind11/pybind11.h>

#include <atomic>
#include <cstdint>

namespace sluice::python {

/// A 64-bit word in a Python object's writable memory, reached with the processor's atomic instructions. Holds the
/// object's buffer, so that the memory neither goes nor moves, until `release`.
class AtomicCursor {
 public:
  /// Throws TypeError for what is no buffer, BufferError for one that is read-only or in several pieces, ValueError
  /// when the word does not fit in or its address is no multiple of 8.
  AtomicCursor(pybind11::handle buffer, std::int64_t offset);
  ~AtomicCursor() { release(); }
  AtomicCursor(const AtomicCursor&) = delete;
  AtomicCursor& operator=(const AtomicCursor&) = delete;

  /// Throws ValueError after `release`.
  [[nodiscard]] std::atomic<std::uint64_t>& word() const;

  /// Gives the buffer back. Again: nothing.
  void release() noexcept;

 private:
  Py_buffer buffer_{};
  std::atomic<std::uint64_t>* word_ = nullptr;  ///< Null after release.
};

/// Adds the class to the module.
void bind_atomic_cursor(pybind11::module_& module);

}  // namespace sluice::python
