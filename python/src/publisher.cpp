#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <memory>
#include <span>

#include "bindings.hpp"
#include "buffer.hpp"
#include "endpoints.hpp"
#include "errors.hpp"
#include "events.hpp"
#include "interruptible_call.hpp"
#include "loan.hpp"

namespace sluice::python {

namespace py = pybind11;

namespace {

/// The members of sluice.PublishResult, an enum.Enum, so that `is` works as Python programmers expect.
struct Results {
  py::object type, ok, timeout, uncertain;
};

const Results& results() {
  static const Results& made = *new Results([] {  // never destroyed: the interpreter ends first
    const py::dict members;
    members["ok"] = static_cast<int>(PublishResult::ok);
    members["timeout"] = static_cast<int>(PublishResult::timeout);
    members["uncertain"] = static_cast<int>(PublishResult::uncertain);
    py::object type = py::module_::import("enum").attr("Enum")("PublishResult", members, py::arg("module") = "sluice");
    type.attr("__doc__") =
        "How a publication ended. ok: sent. timeout: a reliable topic had no room within max_blocking_time; nothing "
        "was "
        "sent. uncertain: this process was stopped for so long in the middle that others gave the position up.";
    return Results{type, type.attr("ok"), type.attr("timeout"), type.attr("uncertain")};
  }());
  return made;
}

/// sluice.Publisher. One thread publishes at a time; another one that wants to waits for its turn.
class PythonPublisher {
 public:
  PythonPublisher(std::shared_ptr<PythonNode> node, const std::string& topic, const py::object& type,
                  const std::string& type_name)
      : layout_(type), publisher_("the publisher of '" + topic + "'"), node_(std::move(node)) {
    const std::string name = layout_->fixed() ? layout_->name : type_name;
    publisher_.emplace(
        node_->node.get().advertise_bytes(topic, MessageType{name, static_cast<std::uint32_t>(layout_->size)}));
    topic_ = publisher_.get().topic();
  }

  py::object publish(const py::object& message) {
    const Turn turn(*this);
    BytesPublisher& publisher = publisher_.get();
    if (MemoryObject* loan = as_loan(message)) return publish_loan(publisher, *loan, loan->size);
    return publish_bytes(publisher, as_buffer(message));
  }

  py::object publish_used(const py::object& message, std::size_t used) {
    const Turn turn(*this);
    MemoryObject* loan = as_loan(message);
    if (loan == nullptr) throw py::type_error("publish(loan, used) needs a loan");
    return publish_loan(publisher_.get(), *loan, static_cast<Py_ssize_t>(used));
  }

  /// Publishes the rows of an array one after the other; how many were sent.
  std::size_t publish_batch(const py::object& messages) {
    const Turn turn(*this);
    BytesPublisher& publisher = publisher_.get();
    const auto rows = rows_of(messages);
    const std::size_t stride = layout_->size;
    const auto count = static_cast<std::size_t>(rows.size());
    const auto* data = static_cast<const std::byte*>(rows.data());
    InterruptibleCall call;
    std::size_t sent = 0;
    BatchResult batch{0, PublishResult::uncertain};
    while (sent < count && batch.result == PublishResult::uncertain) {
      const std::uint64_t uncertain = publisher.stats().uncertain;
      batch = publisher.publish_batch(std::span(data + sent * stride, (count - sent) * stride), stride);
      sent += batch.sent + (publisher.stats().uncertain - uncertain);  // they may have arrived and are not repeated
    }
    call.finish();
    if (sent == 0) (void)checked(publisher, batch.result, stride);  // otherwise the next call tells what is wrong
    return sent;
  }

  py::object loan(std::optional<std::size_t> max_bytes) {
    const Turn turn(*this);
    BytesPublisher& publisher = publisher_.get();
    if (!max_bytes && !layout_->fixed())
      throw py::type_error("topic '" + topic_ + "' carries bytes: say loan(max_bytes)");
    const std::size_t size = max_bytes.value_or(layout_->size);
    check_size(size);
    BytesLoan loan = publisher.loan(size);
    if (!loan && loan.refused() == PublishResult::out_of_chunks) {
      throw OutOfChunksError(publisher.explain(loan.refused(), size));
    }
    if (!loan) throw Error(publisher.explain(loan.refused(), size));
    return make_loan(std::move(loan), size, layout_);
  }

  [[nodiscard]] bool wait_for_subscribers(std::uint32_t count, const py::object& timeout) {
    const auto duration = duration_of(timeout, "timeout");
    const auto publisher = publisher_.share();
    InterruptibleCall call(publisher_.stop());
    const bool came = publisher->wait_for_subscribers(count, duration);
    call.finish();
    return came;
  }

  [[nodiscard]] WriterStats stats() const { return publisher_.get().stats(); }
  [[nodiscard]] std::uint32_t subscriber_count() const { return publisher_.get().subscriber_count(); }
  [[nodiscard]] const std::string& topic() const noexcept { return topic_; }
  [[nodiscard]] const py::object& type() const noexcept { return layout_->type; }
  [[nodiscard]] bool closed() const noexcept { return publisher_.closed(); }

  static void on_deadline_missed(const py::object& self, bool any) {
    self.cast<PythonPublisher&>().publisher_.get().on_deadline_missed(
        any ? handler_of<DeadlineEvent>(self, "_deadline_callback", "the callback for deadlines") : nullptr);
  }

  void close() {
    const Turn turn(*this);
    publisher_.close();
  }

 private:
  /// Held during every call that touches the publisher. Taking it may wait for a thread that sleeps in publish and
  /// needs the interpreter's lock to wake up, so that lock is given back meanwhile.
  class Turn {
   public:
    explicit Turn(PythonPublisher& publisher) : lock_(publisher.busy_, std::try_to_lock) {
      if (lock_.owns_lock()) return;
      const py::gil_scoped_release release;
      lock_.lock();
    }

   private:
    std::unique_lock<std::mutex> lock_;
  };

  /// What publishing a copy needs: something with the buffer protocol. Arrays of another dtype are refused, what is no
  /// buffer (a tuple, a dictionary's values) becomes one message of the type.
  [[nodiscard]] py::object as_buffer(const py::object& message) const {
    if (!layout_->fixed() || PyBytes_CheckExact(message.ptr()) != 0) return contiguous(message);
    if (py::isinstance<py::array>(message)) {
      check_dtype(py::reinterpret_borrow<py::array>(message));
      return contiguous(message);
    }
    if (PyObject_CheckBuffer(message.ptr()) != 0 && !py::isinstance<py::tuple>(message)) return message;
    return py::module_::import("numpy").attr("array")(message, layout_->dtype);
  }

  [[nodiscard]] static py::object contiguous(const py::object& message) {
    if (!py::isinstance<py::array>(message)) return message;
    const auto array = py::reinterpret_borrow<py::array>(message);
    if ((array.flags() & py::array::c_style) != 0) return message;
    return py::module_::import("numpy").attr("ascontiguousarray")(message);
  }

  void check_dtype(const py::array& array) const {
    const py::dtype found = array.dtype();
    if (found.is(layout_->dtype) || found.equal(layout_->dtype)) return;
    throw py::type_error("topic '" + topic_ + "' carries " + layout_->name + ", whose dtype is " +
                         std::string(py::str(py::handle(layout_->dtype))) + ", not " +
                         std::string(py::str(py::handle(found))));
  }

  [[nodiscard]] py::array rows_of(const py::object& messages) const {
    if (!layout_->fixed())
      throw py::type_error("publish_batch is for topics of a fixed type; '" + topic_ + "' carries bytes");
    auto rows = py::reinterpret_borrow<py::array>(py::module_::import("numpy").attr("ascontiguousarray")(messages));
    check_dtype(rows);
    return rows;
  }

  void check_size(std::size_t size) const {
    if (!layout_->fixed() || size == layout_->size) return;
    throw py::value_error("topic '" + topic_ + "' carries " + layout_->name + " of " + std::to_string(layout_->size) +
                          " bytes, not " + std::to_string(size));
  }

  py::object publish_bytes(BytesPublisher& publisher, const py::object& message) {
    const Buffer contents(message);
    check_size(contents.bytes().size());
    InterruptibleCall call;
    const PublishResult result = publisher.publish(contents.bytes());
    call.finish();
    return checked(publisher, result, contents.bytes().size());
  }

  py::object publish_loan(BytesPublisher& publisher, MemoryObject& loan, Py_ssize_t used) {
    if (loan.data == nullptr) throw py::value_error("this loan was published or given back already");
    if (used > loan.size) {
      throw py::value_error("a loan of " + std::to_string(loan.size) + " bytes cannot have " + std::to_string(used) +
                            " used ones");
    }
    check_size(static_cast<std::size_t>(used));
    InterruptibleCall call;
    PublishResult result{};
    if (loan.exports == 0) {
      result = publisher.publish(take_loan(loan), static_cast<std::size_t>(used));
    } else {
      // Arrays still look into it: the loan stays with them, so that what they write later reaches no other message.
      result = publisher.publish(std::span<const std::byte>(loan.data, static_cast<std::size_t>(used)));
      loan.data = nullptr;
    }
    call.finish();
    return checked(publisher, result, static_cast<std::size_t>(used));
  }

  /// What is normal is a result; what is a mistake of the program is an exception.
  static py::object checked(const BytesPublisher& publisher, PublishResult result, std::size_t size) {
    switch (result) {
      case PublishResult::too_large:
      case PublishResult::wrong_size: throw py::value_error(publisher.explain(result, size));
      case PublishResult::out_of_chunks: throw OutOfChunksError(publisher.explain(result, size));
      case PublishResult::own_subscription_full: throw OwnSubscriptionFullError(publisher.explain(result, size));
      case PublishResult::timeout: return results().timeout;
      case PublishResult::uncertain: return results().uncertain;
      case PublishResult::ok: break;
    }
    return results().ok;
  }

  SharedLayout layout_;
  std::string topic_;
  Owned<BytesPublisher> publisher_;
  std::shared_ptr<PythonNode> node_;
  std::mutex busy_;
};

}  // namespace

void bind_publisher(py::module_& module) {
  module.add_object("PublishResult", results().type);

  py::class_<WriterStats>(module, "PublisherStats", "A publisher's books, all since it was opened.")
      .def_readonly("published", &WriterStats::published, "Messages sent.")
      .def_readonly("bytes", &WriterStats::bytes, "Their payload.")
      .def_readonly("timeouts", &WriterStats::timeouts, "Publications that ended with PublishResult.timeout.")
      .def_readonly("uncertain", &WriterStats::uncertain, "Publications that ended with PublishResult.uncertain.");

  py::class_<PythonPublisher, std::shared_ptr<PythonPublisher>>(module, "Publisher",
                                                                "What sluice.Publisher is made of.")
      .def(py::init<std::shared_ptr<PythonNode>, const std::string&, const py::object&, const std::string&>(),
           py::arg("node"), py::arg("topic"), py::arg("type"), py::arg("type_name"))
      .def(
          "publish", &PythonPublisher::publish, py::arg("message"),
          "Sends a loan, or a copy of anything with the buffer protocol: bytes, a NumPy array. On a typed topic also a "
          "tuple of the fields. May wait on a reliable topic, at most max_blocking_time. ValueError for a message that "
          "is too large or of another size than the type, TypeError for another dtype, OwnSubscriptionFullError when "
          "waiting would wait for a subscription of this very thread, OutOfChunksError; none of them sends anything.")
      .def("publish", &PythonPublisher::publish_used, py::arg("loan"), py::arg("used"),
           "Sends the first `used` bytes of a loan.")
      .def("publish_batch", &PythonPublisher::publish_batch, py::arg("messages"),
           "Sends the elements of a structured array, all with one time of publication. Returns how many: all of them, "
           "or "
           "less when a reliable topic had no room within max_blocking_time. Exceptions as publish, if none was sent.")
      .def("loan", &PythonPublisher::loan, py::arg("max_bytes") = py::none(),
           "Memory for one message: of the type's size, or of max_bytes. Never blocks. OutOfChunksError when all loans "
           "are "
           "in use, Error when max_bytes is more than the topic's max_size.")
      .def("wait_for_subscribers", &PythonPublisher::wait_for_subscribers, py::arg("count") = 1,
           py::arg("timeout") = py::none(),
           "Blocks until `count` subscriptions are there; False after `timeout` seconds (None: never).")
      .def("_on_deadline_missed", &PythonPublisher::on_deadline_missed, py::arg("any"))
      .def("stats", &PythonPublisher::stats, "The books since it was opened.")
      .def("close", &PythonPublisher::close, "Leaves the topic. Further calls of close do nothing.")
      .def_property_readonly("subscriber_count", &PythonPublisher::subscriber_count,
                             "Subscriptions that would receive a message published now; 0 on raw topics.")
      .def_property_readonly("topic", &PythonPublisher::topic, "Fully qualified.")
      .def_property_readonly("type", &PythonPublisher::type, "The MessageType, or None for bytes.")
      .def_property_readonly("closed", &PythonPublisher::closed, "Whether close was called.");
}

}  // namespace sluice::python
