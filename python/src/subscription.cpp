#include <pybind11/numpy.h>

#include <cstring>
#include <memory>
#include <vector>

#include "bindings.hpp"
#include "endpoints.hpp"
#include "events.hpp"
#include "interruptible_call.hpp"
#include "message.hpp"

namespace sluice::python {

namespace py = pybind11;

namespace {

/// sluice.Subscription. Everything happens under the interpreter's lock, so any thread may take and give back.
class PythonSubscription {
 public:
  /// The first of two steps: `open` needs the Python object around this one, whose method _deliver is called.
  PythonSubscription(std::shared_ptr<PythonNode> node, const std::string& topic, const py::object& type)
      : layout_(type), topic_(topic), node_(std::move(node)), subscription_("the subscription to '" + topic + "'") {}

  static void open(const py::object& self, const std::string& type_name, bool with_callback, bool observe) {
    self.cast<PythonSubscription&>().open_topic(self, type_name, with_callback, observe);
  }

  py::object take() {
    BytesSubscription& subscription = subscription_.get();
    while (auto message = subscription.take()) {
      if (fits(*message)) return make_message(std::move(*message), layout_);
    }
    return py::none();
  }

  py::object take_for(const py::object& timeout) {
    const auto inside = subscription_.share();
    const auto deadline = shm::Deadline::after(duration_of(timeout, "timeout"));
    for (;;) {
      auto message = wait(deadline);
      if (!message) return py::none();
      if (fits(*message)) return make_message(std::move(*message), layout_);
    }
  }

  /// Up to `most` messages as one array, or a list of bytes.
  py::object take_batch(std::size_t most, const py::object& timeout) {
    // Numpy's calls in here may give the lock away; a thread that is then ended with the interpreter would unwind
    // through us without the lock. Being busy to the end, we are waited for.
    const auto inside = subscription_.share();
    const auto deadline = shm::Deadline::after(duration_of(timeout, "timeout"));
    return layout_->fixed() ? take_rows(most, deadline) : take_list(most, deadline);
  }

  [[nodiscard]] bool wait_for_publishers(std::uint32_t count, const py::object& timeout) {
    const auto duration = duration_of(timeout, "timeout");
    const auto subscription = subscription_.share();
    InterruptibleCall call(subscription_.stop());
    const bool came = subscription->wait_for_publishers(count, duration);
    call.finish();
    return came;
  }

  [[nodiscard]] int fileno() { return subscription_.get().pollable_fd(); }
  [[nodiscard]] bool arm() { return subscription_.get().arm_fd(); }
  [[nodiscard]] ReaderStats stats() const { return subscription_.get().stats(); }
  [[nodiscard]] std::uint32_t publisher_count() const { return subscription_.get().publisher_count(); }
  [[nodiscard]] const std::string& topic() const noexcept { return topic_; }
  [[nodiscard]] const py::object& type() const noexcept { return layout_->type; }
  [[nodiscard]] bool closed() const noexcept { return subscription_.closed(); }
  [[nodiscard]] bool busy() const noexcept { return subscription_.busy(); }

  static void on_liveliness(const py::object& self, bool any) {
    self.cast<PythonSubscription&>().subscription_.get().on_liveliness(
        any ? handler_of<LivelinessEvent>(self, "_liveliness_callback", "the callback for liveliness") : nullptr);
  }

  static void on_deadline_missed(const py::object& self, bool any) {
    self.cast<PythonSubscription&>().subscription_.get().on_deadline_missed(
        any ? handler_of<DeadlineEvent>(self, "_deadline_callback", "the callback for deadlines") : nullptr);
  }

  void close() {
    if (BytesSubscription* subscription = subscription_.get_if_usable()) subscription->interrupt();
    subscription_.close();
  }

 private:
  void open_topic(py::handle self, const std::string& type_name, bool with_callback, bool observe) {
    self_ = self;
    const MessageType type{layout_->fixed() ? layout_->name : type_name, static_cast<std::uint32_t>(layout_->size)};
    Node& node = node_->node.get();
    if (with_callback) {
      const auto callback = [this](BytesMessage message) { deliver(std::move(message)); };
      subscription_.emplace(node.subscribe_bytes(topic_, callback, type));
    } else {
      subscription_.emplace(observe ? node.observe_bytes(topic_, type) : node.subscribe_bytes(topic_, type));
    }
    topic_ = subscription_.get().topic();
  }

  void deliver(BytesMessage message) {
    if (!fits(message)) return;
    const auto self = py::reinterpret_borrow<py::object>(self_);  // a callback may drop its own subscription
    try {
      self.attr("_callback")(make_message(std::move(message), layout_));
    } catch (py::error_already_set& error) {
      report_callback_error(error, "the callback of '" + topic_ + "'");
    }
  }

  template <typename AnyMessage>
  [[nodiscard]] bool fits(const AnyMessage& message) {
    if (!layout_->fixed() || message.bytes().size() == layout_->size) return true;
    const std::int64_t now = shm::monotonic_ns();
    if (Node* node = node_->node.get_if_usable(); node != nullptr && now - last_report_ns_ > 1'000'000'000) {
      last_report_ns_ = now;  // one line a second: a publisher of the wrong type can be fast
      node->log().error(
          "dropped a message of {} bytes on '{}', whose type '{}' has {} bytes; another program publishes "
          "something else there",
          message.bytes().size(), topic_, layout_->name, layout_->size);
    }
    return false;
  }

  [[nodiscard]] static std::chrono::nanoseconds time_until(shm::Deadline deadline) noexcept {
    return deadline.is_never() ? std::chrono::nanoseconds::max()
                               : std::chrono::nanoseconds(deadline.ns() - shm::monotonic_ns());
  }

  std::optional<BytesMessage> wait(shm::Deadline deadline) {
    const auto subscription = subscription_.share();
    if (auto message = subscription->take()) return message;
    if (deadline.passed()) return std::nullopt;
    InterruptibleCall call(subscription_.stop());
    auto message = subscription->take_for(time_until(deadline));
    call.finish();
    return message;
  }

  /// As wait, for several messages; the first one is waited for.
  BytesBatch wait_for_batch(shm::Deadline deadline, std::size_t most) {
    const auto subscription = subscription_.share();
    BytesBatch batch = subscription->take_batch(most);
    if (!batch.empty() || most == 0 || deadline.passed()) return batch;
    InterruptibleCall call(subscription_.stop());
    batch = subscription->take_batch_for(time_until(deadline), most);
    call.finish();
    return batch;
  }

  /// Takes at most `most` messages, as many as are there when it is asked again and again, and waits for the first one.
  /// `add(message)` says whether it counts.
  template <typename Add>
  void take_many(std::size_t most, shm::Deadline deadline, const Add& add) {
    std::size_t count = 0;
    const auto add_all = [&](const BytesBatch& batch) {
      for (const auto message : batch) count += add(message) ? 1 : 0;
    };
    while (count == 0) {
      const BytesBatch first = wait_for_batch(deadline, most);
      if (first.empty()) return;
      add_all(first);
      if (subscription_.closed()) return;
    }
    while (count < most) {
      const BytesBatch next = subscription_.get().take_batch(most - count);
      if (next.empty()) return;
      add_all(next);
    }
  }

  py::object take_rows(std::size_t most, shm::Deadline deadline) {
    auto rows = py::array(layout_->dtype, std::vector<py::ssize_t>{static_cast<py::ssize_t>(most)});
    auto* to = static_cast<std::byte*>(rows.mutable_data());
    std::size_t count = 0;
    take_many(most, deadline, [&](const BytesBatch::View& message) {
      if (!fits(message)) return false;
      std::memcpy(to + count * layout_->size, message.bytes().data(), layout_->size);
      if (!message.valid()) return false;  // evicted: what was copied may have been another message
      ++count;
      return true;
    });
    if (count == most) return rows;
    const py::object part = rows[py::slice(0, static_cast<py::ssize_t>(count), 1)];
    return count * 2 < most ? py::object(part.attr("copy")()) : part;  // do not keep much memory for few messages
  }

  py::object take_list(std::size_t most, shm::Deadline deadline) {
    py::list list;
    take_many(most, deadline, [&](const BytesBatch::View& message) {
      const py::bytes copy(reinterpret_cast<const char*>(message.bytes().data()), message.bytes().size());
      if (!message.valid()) return false;
      list.append(copy);
      return true;
    });
    return list;
  }

  SharedLayout layout_;
  std::string topic_;
  std::shared_ptr<PythonNode> node_;
  py::handle self_;  ///< The Python object around this one, which it does not own.
  std::int64_t last_report_ns_ = 0;
  Owned<BytesSubscription> subscription_;
};

}  // namespace

void bind_subscription(py::module_& module) {
  py::class_<ReaderStats>(module, "SubscriptionStats",
                          "A subscription's books, in positions of the topic (on Sluice topics a position is a "
                          "message): reserved - joined = received + lost + skipped + queued.")
      .def_readonly("joined", &ReaderStats::joined, "The position it began at.")
      .def_readonly("reserved", &ReaderStats::reserved, "Positions granted to publishers so far.")
      .def_readonly("received", &ReaderStats::received, "Taken.")
      .def_readonly("lost", &ReaderStats::lost, "Overwritten before they were taken.")
      .def_readonly("skipped", &ReaderStats::skipped, "Holes that publishers left who died or were stopped.")
      .def_readonly("queued", &ReaderStats::queued, "Not yet taken, publications in flight included.")
      .def_readonly("bytes", &ReaderStats::bytes, "Payload bytes received.")
      .def_readonly("evictions", &ReaderStats::evictions,
                    "Times it held publishers up for too long and lost its place.")
      .def_readonly("redelivered", &ReaderStats::redelivered,
                    "Groups: taken over from a member that died or was evicted; not in received.");

  py::class_<PythonSubscription, std::shared_ptr<PythonSubscription>>(module, "Subscription",
                                                                      "What sluice.Subscription is made of.")
      .def(py::init<std::shared_ptr<PythonNode>, const std::string&, const py::object&>(), py::arg("node"),
           py::arg("topic"), py::arg("type"))
      .def("_open", &PythonSubscription::open, py::arg("type_name"), py::arg("with_callback"), py::arg("observe"))
      .def_property_readonly("_busy", &PythonSubscription::busy)
      .def("_on_liveliness", &PythonSubscription::on_liveliness, py::arg("any"))
      .def("_on_deadline_missed", &PythonSubscription::on_deadline_missed, py::arg("any"))
      .def("take", &PythonSubscription::take, "The next Message, or None. Never blocks.")
      .def("take_for", &PythonSubscription::take_for, py::arg("timeout"),
           "As take, but waits for a message for at most `timeout` seconds; None: for as long as it takes.")
      .def("take_batch", &PythonSubscription::take_batch, py::arg("most"), py::arg("timeout") = 0.0,
           "Copies what is there, at most `most` messages, into one structured array that is the caller's own; on a "
           "topic of bytes into a list of bytes. Waits for the first one for at most `timeout` seconds.")
      .def("wait_for_publishers", &PythonSubscription::wait_for_publishers, py::arg("count") = 1,
           py::arg("timeout") = py::none(),
           "Blocks until `count` publishers are there; False after `timeout` seconds (None: never).")
      .def(
          "fileno", &PythonSubscription::fileno,
          "A descriptor for select, poll or an event loop. It becomes readable once for each call of arm that returned "
          "True. The subscription's; never close it.")
      .def("arm", &PythonSubscription::arm,
           "Take until nothing comes, then call this, and poll fileno() if it returns True. False: a message is there.")
      .def("stats", &PythonSubscription::stats, "The books since it was opened.")
      .def("close", &PythonSubscription::close,
           "Leaves the topic; messages that were taken stay good. Waits for a callback that another thread runs. A "
           "thread that waits in take_for returns without a message.")
      .def_property_readonly("publisher_count", &PythonSubscription::publisher_count,
                             "Publishers that are connected now; 0 on raw topics.")
      .def_property_readonly("topic", &PythonSubscription::topic, "Fully qualified.")
      .def_property_readonly("type", &PythonSubscription::type, "The MessageType, or None for bytes.")
      .def_property_readonly("closed", &PythonSubscription::closed, "Whether close was called.");
}

}  // namespace sluice::python
