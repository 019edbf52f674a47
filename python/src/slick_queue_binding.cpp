#include <pybind11/stl.h>

#include <cstring>
#include <optional>
#include <string>

#include <sluice/error.hpp>

#include "atomic_cursor.hpp"
#include "bindings.hpp"
#include "element_view.hpp"
#include "integers.hpp"
#include "interruptible_call.hpp"
#include "slick_queue.hpp"

namespace py = pybind11;

namespace sluice::python {

namespace {

using slick::Ring;
using slick::UntypedQueue;

constexpr std::size_t kLargeCopy = std::size_t{1} << 18U;  // bytes; from here on other threads may run meanwhile

// Opening

[[noreturn]] void raise_os_error(const SystemError& error) {
  // Called with an errno, OSError becomes FileNotFoundError, PermissionError and so on.
  const py::object made = py::reinterpret_borrow<py::object>(PyExc_OSError)(error.code(), error.what());
  PyErr_SetObject(py::type::handle_of(made).ptr(), made.ptr());
  throw py::error_already_set();
}

std::uint32_t size_of(const py::object& value, const char* what) {
  return static_cast<std::uint32_t>(unsigned_of(value, what, UINT32_MAX));
}

SlickQueueRequest request_of(const py::object& name, const py::object& size, const py::object& element_size,
                             const py::object& hole_timeout) {
  SlickQueueRequest request;
  if (name.is_none() && size.is_none()) throw py::value_error("a queue without a name needs a size");
  if (element_size.is_none()) throw py::value_error("a queue needs an element_size, in bytes");
  if (!name.is_none()) request.name = name.cast<std::string>();
  if (!size.is_none()) request.size = size_of(size, "a queue's size");
  request.element_size = size_of(element_size, "an element's size");
  if (request.element_size == 0) throw py::value_error("an element has at least 1 byte, not 0");
  const auto timeout = duration_of(hole_timeout, "hole_timeout");
  if (timeout != std::chrono::nanoseconds::max()) request.hole_timeout = timeout;
  return request;
}

std::unique_ptr<SlickQueue> make_queue(const py::object& name, const py::object& size, const py::object& element_size,
                                       const py::object& hole_timeout) {
  const SlickQueueRequest request = request_of(name, size, element_size, hole_timeout);
  InterruptibleCall call;  // it may wait for another creator
  try {
    auto queue = std::make_unique<SlickQueue>(request);
    call.finish();
    return queue;
  } catch (const SystemError& error) {
    call.finish();
    raise_os_error(error);
  } catch (const Error& error) {
    call.finish();
    throw py::value_error(error.what());
  }
}

// Writing

std::uint64_t reserve(const SlickQueue& self, const py::handle& n) {
  return self.queue().reserve(static_cast<std::uint32_t>(unsigned_of(n, "the number of elements", UINT32_MAX)));
}

bool publish(const SlickQueue& self, const py::handle& index, const py::handle& n) {
  UntypedQueue& queue = self.queue();
  const std::uint64_t first = unsigned_of(index, "an index");
  const std::uint64_t count = unsigned_of(n, "the number of elements", UINT32_MAX);
  const std::uint64_t left = queue.size() - (first & (queue.size() - 1U));  // to the array's end
  if (count == 0 || count > left) {
    throw py::value_error("cannot publish " + std::to_string(count) + " elements from index " + std::to_string(first) +
                          " on: a reservation there has 1 to " + std::to_string(left));
  }
  return queue.publish(first, static_cast<std::uint32_t>(count));
}

py::object element(const SlickQueue& self, const py::handle& index) {
  auto queue = self.share();
  std::byte* data = queue->ring().element(unsigned_of(index, "an index"));
  const std::size_t size = queue->element_size();
  return writable_view(std::move(queue), data, size);
}

// Reading

/// A message's bytes, as a Python object.
class Bytes {
 public:
  explicit Bytes(bool others_may_run) : others_may_run_(others_may_run) {}

  /// Copies the message; again when the first copy was overtaken by a producer.
  void copy(const UntypedQueue& queue, const Ring::Message& message) {
    const std::size_t size = std::size_t{message.size} * queue.element_size();
    bytes_ = py::reinterpret_steal<py::object>(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(size)));
    if (!bytes_) throw py::error_already_set();
    char* target = PyBytes_AS_STRING(bytes_.ptr());
    const std::byte* source = queue.ring().element(message.index);
    std::optional<py::gil_scoped_release> released;
    if (others_may_run_ && size >= kLargeCopy) released.emplace();
    std::memcpy(target, source, size);
  }
  [[nodiscard]] py::object take() { return std::move(bytes_); }

 private:
  bool others_may_run_;
  py::object bytes_;
};

py::tuple read_group(UntypedQueue& queue, std::atomic<std::uint64_t>& cursor) {
  Bytes bytes(false);  // another thread could release the cursor under us
  const auto message = queue.read(cursor, [&](const Ring::Message& found) { bytes.copy(queue, found); });
  if (!message) return py::make_tuple(py::none(), 0, -1);
  return py::make_tuple(bytes.take(), message->size, message->index);
}

py::tuple read_private(UntypedQueue& queue, std::uint64_t cursor) {
  Bytes bytes(true);
  const auto message = queue.read(cursor, [&](const Ring::Message& found) { bytes.copy(queue, found); });
  if (!message) return py::make_tuple(py::none(), 0, cursor);
  return py::make_tuple(bytes.take(), message->size, cursor);
}

py::tuple read(const SlickQueue& self, const py::handle& cursor) {
  const auto queue = self.share();  // while a copy lets other threads run, one of them may close the queue
  if (PyLong_Check(cursor.ptr()) == 0 && py::isinstance<AtomicCursor>(cursor)) {
    return read_group(*queue, cursor.cast<AtomicCursor&>().word());
  }
  return read_private(*queue, unsigned_of(cursor, "a cursor"));
}

py::object read_last(const SlickQueue& self) {
  const auto queue = self.share();
  for (int round = 0; round < Ring::kMostRounds; ++round) {
    const auto message = queue->read_last();
    if (!message) break;
    Bytes bytes(true);
    bytes.copy(*queue, *message);
    if (queue->ring().verdict(*message) == Ring::Verdict::intact) return bytes.take();
  }
  return py::none();
}

std::string text(const SlickQueue& self) {
  return "<SlickQueue " + (self.name() ? "'" + *self.name() + "' " : "") + "size=" + std::to_string(self.size()) +
         " element_size=" + std::to_string(self.element_size()) + ">";
}

constexpr const char* kClassText = R"(
A lock-free ring of fixed-size elements that any number of processes may write and read, in C++ or Python: the class of
slick_queue_py, on the segments of slick_queue 1.2.x to 1.4.x.

Messages are n >= 1 elements in one piece. Lossy: producers never wait, and a reader that falls a lap behind goes on at
the oldest message left. Any thread may call any method, except reset(); nothing blocks but the constructor. After a
fork the child may use a queue that has a name as the parent does; of one without, it has a copy.)";

constexpr const char* kConstructorText = R"(
Without a name: a queue in this process, of `size` elements of `element_size` bytes. With a name and a size: creates
the segment (with the rights 0600) or opens it. With a name alone: opens it. "ticks" and "/ticks" are one segment.

A reader steps over an element that was reserved `hole_timeout` seconds ago and not published, for its producer is
dead; 0 or None: never. Waits up to 2 s for a creator at work. ValueError for a size that is no power of two and for a
segment that differs, FileNotFoundError when there is none, OSError when it may not be opened.)";

void bind_members(py::class_<SlickQueue>& type) {
  type.def_property_readonly("size", &SlickQueue::size, "Elements.")
      .def_property_readonly("element_size", &SlickQueue::element_size, "Bytes of an element.")
      .def("get_shm_name", &SlickQueue::name, R"("/name", as C++ programs are given it; None without a name.)")
      .def("own_buffer", &SlickQueue::own_buffer, "Whether this object created the ring.")
      .def(
          "initial_reading_index", [](const SlickQueue& self) { return self.queue().initial_reading_index(); },
          "A cursor that begins at the next reservation.")
      .def(
          "loss_count", [](const SlickQueue& self) { return self.queue().loss_count(); },
          "Elements that readers of this object lost because they were overwritten first.")
      .def(
          "skipped_count", [](const SlickQueue& self) { return self.queue().skipped_count(); },
          "Elements that readers of this object stepped over: holes of dead producers, and tails before a wrap.")
      .def("__repr__", &text);
  type.attr("__iter__") = py::none();  // its elements have no end
}

void bind_writing(py::class_<SlickQueue>& type) {
  type.def("reserve", &reserve, py::arg("n") = 1, R"(
Reserves n elements in one piece: the index of the first. Never waits. RuntimeError for more than the queue has,
ValueError for none.)")
      .def("__getitem__", &element, py::arg("index"), R"(
The element at an index: a writable memoryview of its bytes in the queue's memory. Of a reservation of n, each has its
own. The memory stays for as long as the view exists, also when the queue is closed meanwhile.)")
      .def("publish", &publish, py::arg("index"), py::arg("n") = 1, R"(
Makes n reserved elements from `index` on visible as one message. False: a whole lap was reserved meanwhile, so the
elements belong to others now and nothing was published.)")
      .def(
          "reset", [](const SlickQueue& self) { self.queue().reset(); },
          "Empties the queue, which begins again at index 0. Nobody else may be using it.");
}

void bind_reading(py::class_<SlickQueue>& type) {
  type.def("read", &read, py::arg("cursor"), R"(
The next message, copied, never torn.

For a number: (bytes, elements, the next cursor), or (None, 0, the next cursor) if there is none.
For an AtomicCursor, which several readers share: (bytes, elements, its index), or (None, 0, -1).)")
      .def("read_last", &read_last, "The newest message that was published, all its elements, or None.")
      .def(
          "still_valid",
          [](const SlickQueue& self, const py::handle& index) {
            return self.queue().still_valid(unsigned_of(index, "an index"));
          },
          py::arg("index"), R"(
Whether the message that began at `index` is still there and whole. Ask after having read elements in place, with
queue[index].)");
}

void bind_leaving(py::class_<SlickQueue>& type) {
  type.def("close", &SlickQueue::close, R"(
Leaves the queue; using it afterwards is a ValueError. The name stays, and so does the memory of memoryviews that
exist. Again: nothing.)")
      .def("unlink", &SlickQueue::unlink, R"(
Removes the name, if it still means this segment: whether it did. Programs that have it open go on. Nothing else ever
removes it: neither close(), nor the end of the program. Also after close().)")
      .def(
          "__enter__", [](py::object self) { return self; }, "The queue itself.")
      .def(
          "__exit__", [](SlickQueue& self, const py::args&) { self.close(); }, "Calls close().");
}

void bind_reserved_word(py::module_& module) {
  module.def(
      "make_reserved_info",
      [](const py::handle& index, const py::handle& size) {
        constexpr std::uint64_t kLargestIndex = UINT64_MAX >> 16U;
        return slick::make_reserved(unsigned_of(index, "an index", kLargestIndex), unsigned_of(size, "a size", 0xFFFF));
      },
      py::arg("index"), py::arg("size"), "The header's reservation word: 48 bits of index, 16 of size.");
  module.def(
      "get_index", [](const py::handle& word) { return slick::reserved_index(unsigned_of(word, "the word")); },
      py::arg("reserved"), "The index in a reservation word.");
  module.def(
      "get_size", [](const py::handle& word) { return slick::reserved_size(unsigned_of(word, "the word")); },
      py::arg("reserved"), "The size in a reservation word.");
}

}  // namespace

void bind_slick(py::module_& module) {
  bind_atomic_cursor(module);
  py::class_<SlickQueue> type(module, "SlickQueue", kClassText);
  type.def(py::init(&make_queue), py::kw_only(), py::arg("name") = py::none(), py::arg("size") = py::none(),
           py::arg("element_size") = py::none(), py::arg("hole_timeout") = 0.1, kConstructorText);
  bind_members(type);
  bind_writing(type);
  bind_reading(type);
  bind_leaving(type);
  bind_reserved_word(module);
}

}  // namespace sluice::python
