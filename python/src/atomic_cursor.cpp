#include "atomic_cursor.hpp"

#include <string>

#include "integers.hpp"

namespace py = pybind11;

namespace sluice::python {

namespace {

constexpr std::int64_t kWord = sizeof(std::uint64_t);
static_assert(sizeof(std::atomic<std::uint64_t>) == kWord && std::atomic<std::uint64_t>::is_always_lock_free);

std::string problem_with(const Py_buffer& buffer, std::int64_t offset) {
  if (offset < 0 || buffer.len < kWord || offset > buffer.len - kWord) {
    return "a cursor has 8 bytes, but the buffer has " + std::to_string(buffer.len) + " and the offset is " +
           std::to_string(offset);
  }
  if ((reinterpret_cast<std::uintptr_t>(buffer.buf) + static_cast<std::uint64_t>(offset)) % kWord != 0) {
    return "a cursor's address must be a multiple of 8, and at the offset " + std::to_string(offset) +
           " of this buffer it is not; take another offset";
  }
  return "";
}

std::uint64_t load(const AtomicCursor& cursor) { return cursor.word().load(std::memory_order_acquire); }

void store(AtomicCursor& cursor, const py::handle& value) {
  cursor.word().store(unsigned_of(value, "a cursor's value"), std::memory_order_release);
}

py::tuple compare_exchange(AtomicCursor& cursor, const py::handle& expected, const py::handle& desired) {
  std::uint64_t found = unsigned_of(expected, "the expected value");
  const std::uint64_t wanted = unsigned_of(desired, "the desired value");
  const bool exchanged = cursor.word().compare_exchange_strong(found, wanted, std::memory_order_acq_rel);
  return py::make_tuple(exchanged, found);
}

}  // namespace

AtomicCursor::AtomicCursor(py::handle buffer, std::int64_t offset) {
  if (PyObject_CheckBuffer(buffer.ptr()) == 0) {
    throw py::type_error(std::string("a cursor lies in a writable buffer, such as a bytearray, not in a ") +
                         Py_TYPE(buffer.ptr())->tp_name);
  }
  if (PyObject_GetBuffer(buffer.ptr(), &buffer_, PyBUF_WRITABLE) != 0) {
    PyErr_Clear();
    throw py::buffer_error("a cursor's buffer must be writable and in one piece");
  }
  if (const std::string problem = problem_with(buffer_, offset); !problem.empty()) {
    release();
    throw py::value_error(problem);
  }
  word_ = reinterpret_cast<std::atomic<std::uint64_t>*>(static_cast<std::byte*>(buffer_.buf) + offset);
}

std::atomic<std::uint64_t>& AtomicCursor::word() const {
  if (word_ == nullptr) throw py::value_error("the cursor was released");
  return *word_;
}

void AtomicCursor::release() noexcept {
  word_ = nullptr;
  PyBuffer_Release(&buffer_);  // of a buffer given back already: nothing
}

void bind_atomic_cursor(py::module_& module) {
  py::class_<AtomicCursor>(module, "AtomicCursor", R"(
A cursor that several readers share, also in other processes: each message goes to one of them.

It is a 64-bit number in any writable buffer (a bytearray within one process; an mmap, or the `buf` of a
multiprocessing.shared_memory.SharedMemory between processes), which C++ readers and readers of slick_queue may share.
A fresh buffer of zeros is a cursor at the beginning. The operations are the processor's atomic instructions. Any
thread may call any method; nothing blocks.)")
      .def(py::init<py::handle, std::int64_t>(), py::arg("buffer"), py::arg("offset") = 0, R"(
The 8 bytes at `offset` of the buffer, which is held until release().

TypeError for what is no buffer, BufferError for a read-only one, ValueError when the 8 bytes do not fit in or do not
begin at an address that is a multiple of 8.)")
      .def("load", &load, "The index of the next message to claim. ValueError after release().")
      .def("store", &store, py::arg("value"), "Sets it. ValueError after release().")
      .def("compare_exchange_weak", &compare_exchange, py::arg("expected"), py::arg("desired"), R"(
Sets `desired` if the value is `expected`: (whether it was set, the value that was there).)")
      .def("release", &AtomicCursor::release, R"(
Gives the buffer back, so that its owner can be closed or resized. The cursor is of no more use. Again: nothing.)")
      .def(
          "__enter__", [](py::object self) { return self; }, "The cursor itself.")
      .def(
          "__exit__", [](AtomicCursor& cursor, const py::args&) { cursor.release(); }, "Calls release().");
}

}  // namespace sluice::python
