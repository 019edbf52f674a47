#include <pybind11/functional.h>
#include <pybind11/stl.h>

#include <vector>

#include <sluice/sluice.hpp>

#include "bindings.hpp"
#include "endpoints.hpp"
#include "events.hpp"
#include "interruptible_call.hpp"
#include "parameters.hpp"

namespace sluice::python {

namespace py = pybind11;

namespace {

/// Runs `spin`, and ends in order on Ctrl-C and SIGTERM as in C++: with a return.
template <typename Spin>
auto run_spin(const Spin& spin, bool ctrl_c_returns) -> decltype(spin()) {
  try {
    InterruptibleCall call;
    auto result = spin();
    call.finish();
    return result;
  } catch (py::error_already_set& error) {
    if (!ctrl_c_returns || !error.matches(PyExc_KeyboardInterrupt)) throw;
    return {};
  }
}

void close(PythonNode& self) {
  if (Node* node = self.node.get_if_usable()) node->shutdown();
  self.node.close();
}

bool spin_node(const std::shared_ptr<PythonNode>& self, const py::object& seconds, bool ctrl_c_returns) {
  const auto node = self->node.share();
  const auto duration = duration_of(seconds, "duration");
  return run_spin([&] { return node->spin_for(duration); }, ctrl_c_returns);
}

NodeOptions options_from(const std::vector<std::string>& arguments) {
  std::vector<const char*> argv{"python"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  NodeOptions options = NodeOptions::from_args(static_cast<int>(argv.size()), argv.data());
  options.handle_signals = false;  // Python handles them
  return options;
}

void log(PythonNode& self, int level, const std::string& text) {
  self.node.get().log().log(static_cast<spdlog::level::level_enum>(level), text);
}

/// sluice.Timer: calls its Python object's method _call.
class PythonTimer {
 public:
  PythonTimer(std::shared_ptr<PythonNode> node, const py::object& period) : node_(std::move(node)) {
    period_ = duration_of(period, "a timer's period");
  }
  PythonTimer(const PythonTimer&) = delete;
  PythonTimer& operator=(const PythonTimer&) = delete;
  ~PythonTimer() { cancel(); }

  static void start(const py::object& self) { self.cast<PythonTimer&>().start_calling(self); }

  /// Under the interpreter's lock, as every call of the callback: none begins after this.
  void cancel() noexcept {
    if (timer_) timer_->cancel();
    timer_.reset();
  }

 private:
  void start_calling(py::handle self) {
    timer_ = node_->node.get().every(period_, [self] {
      const auto timer = py::reinterpret_borrow<py::object>(self);
      try {
        timer.attr("_callback")();
      } catch (py::error_already_set& error) {
        report_callback_error(error, "a timer's callback");
      }
    });
  }

  std::shared_ptr<PythonNode> node_;
  std::chrono::nanoseconds period_{};
  std::optional<Timer> timer_;
};

/// sluice.Executor.
class PythonExecutor {
 public:
  void add(const std::shared_ptr<PythonNode>& node) {
    executor_.get().add(node->node.get());
    nodes_.push_back(node);
  }
  void remove(const std::shared_ptr<PythonNode>& node) {
    executor_.get().remove(node->node.get());
    std::erase(nodes_, node);
  }
  bool spin_for(const py::object& seconds, bool ctrl_c_returns) {
    const auto executor = executor_.share();
    const auto duration = duration_of(seconds, "duration");
    return run_spin([&] { return executor->spin_for(duration); }, ctrl_c_returns);
  }
  bool spin_once(const py::object& seconds) {
    const auto executor = executor_.share();
    const auto timeout = duration_of(seconds, "timeout");
    return run_spin([&] { return executor->spin_once(timeout); }, false);
  }
  void shutdown() const { executor_.get().shutdown(); }

  [[nodiscard]] bool busy() const noexcept { return executor_.busy(); }

  PythonExecutor() : executor_("the executor") { executor_.emplace(); }

 private:
  std::vector<std::shared_ptr<PythonNode>> nodes_;  ///< Outlive their place in the executor.
  Owned<Executor> executor_;
};

/// What the configuration and the command line say, as written.
std::map<std::string, std::string> written_parameters(const PythonNode& self) {
  const Node& node = self.node.get();
  std::map<std::string, std::string> written = node.options().parameters;
  for (auto& [name, value] : node.options().config.parameters(node.fully_qualified_name())) {
    written.emplace(name, value.text);
  }
  return written;
}

void bind_node_class(py::module_& module) {
  py::class_<PythonNode, std::shared_ptr<PythonNode>> bound(module, "Node", "What sluice.Node is made of.");
  bind_parameters(bound);
  bound
      .def(py::init([](const std::string& name, const std::vector<std::string>& arguments) {
             return std::make_shared<PythonNode>(name, options_from(arguments));
           }),
           py::arg("name"), py::arg("arguments"))
      .def_property_readonly(
          "name", [](PythonNode& self) { return self.node.get().name(); }, "\"imu_filter\".")
      .def_property_readonly(
          "fully_qualified_name", [](PythonNode& self) { return self.node.get().fully_qualified_name(); },
          "\"/robot/imu_filter\".")
      .def_property_readonly(
          "arguments", [](PythonNode& self) { return self.node.get().options().arguments; },
          "What the node's options did not take of its arguments.")
      .def_property_readonly("_parameters", &written_parameters)
      .def_property_readonly(
          "closed", [](const PythonNode& self) { return self.node.closed(); }, "Whether close was called.")
      .def_property_readonly("_busy", [](const PythonNode& self) { return self.node.busy(); })
      .def("_spin", &spin_node, py::arg("seconds"), py::arg("ctrl_c_returns"))
      .def(
          "shutdown", [](PythonNode& self) { self.node.get().shutdown(); },
          "Ends spin, of the executor that this node was added to as well. Any thread; also from a callback.")
      .def("_close", &close)
      .def("_log", &log, py::arg("level"), py::arg("text"))
      .def(
          "_on_event",
          [](const py::object& self, bool any) {
            self.cast<PythonNode&>().node.get().on_event(
                any ? handler_of<TransportEvent>(self, "_event_callback", "the callback for events") : nullptr);
          },
          py::arg("any"))
      .def(
          "_on_graph_change",
          [](const py::object& self, bool any) {
            self.cast<PythonNode&>().node.get().on_graph_change(
                any ? handler_of<GraphEvent>(self, "_graph_callback", "the callback for changes of the graph")
                    : nullptr);
          },
          py::arg("any"))
      .def(
          "graph", [](PythonNode& self) { return self.node.get().graph(); },
          "What is in the domain now, read from shared memory: complete, also right after the node was made.");
}

}  // namespace

void report_callback_error(py::error_already_set& error, const std::string& callback) {
  if (error.matches(PyExc_KeyboardInterrupt) || error.matches(PyExc_SystemExit)) throw;
  error.restore();
  PySys_FormatStderr("sluice: %s raised:\n", callback.c_str());
  PyErr_Print();
}

void bind_node(py::module_& module) {
  bind_node_class(module);

  py::class_<TransportEvent> event(module, "TransportEvent",
                                   "Something that happened to an endpoint of its own accord, so that no return value "
                                   "tells it.");
  py::enum_<TransportEvent::Kind>(event, "Kind", "What kind of thing.")
      .value("reliability_lost", TransportEvent::Kind::reliability_lost)
      .value("liveliness_lost", TransportEvent::Kind::liveliness_lost)
      .value("liveliness_gained", TransportEvent::Kind::liveliness_gained)
      .value("segment_replaced", TransportEvent::Kind::segment_replaced)
      .value("writer_interrupted", TransportEvent::Kind::writer_interrupted)
      .value("second_writer", TransportEvent::Kind::second_writer)
      .value("incompatible", TransportEvent::Kind::incompatible);
  event.def_readonly("kind", &TransportEvent::kind, "For programs.")
      .def_readonly("topic", &TransportEvent::topic, "Fully qualified.")
      .def_readonly("message", &TransportEvent::message, "For people: what was noticed, and what to do.");

  py::class_<PythonTimer, std::shared_ptr<PythonTimer>>(module, "Timer", "What sluice.Timer is made of.")
      .def(py::init<std::shared_ptr<PythonNode>, const py::object&>(), py::arg("node"), py::arg("period"))
      .def("_start", &PythonTimer::start)
      .def("cancel", &PythonTimer::cancel, "No further call begins. Any thread, also from the callback.");

  py::class_<PythonExecutor, std::shared_ptr<PythonExecutor>>(module, "Executor", "What sluice.Executor is made of.")
      .def(py::init<>())
      .def_property_readonly("_busy", &PythonExecutor::busy)
      .def("add", &PythonExecutor::add, py::arg("node"),
           "A node belongs to at most one executor; others must not spin it.")
      .def("remove", &PythonExecutor::remove, py::arg("node"), "Takes effect with the next round.")
      .def(
          "spin", [](PythonExecutor& self) { self.spin_for(py::none(), true); }, "Until shutdown(), Ctrl-C or SIGTERM.")
      .def(
          "spin_for", [](PythonExecutor& self, const py::object& seconds) { return self.spin_for(seconds, false); },
          py::arg("seconds"),
          "At most for so many seconds; False when it ended earlier. Ctrl-C raises KeyboardInterrupt.")
      .def("spin_once", &PythonExecutor::spin_once, py::arg("timeout") = 0.0,
           "Runs what is ready now, or waits up to `timeout` seconds for something; whether anything ran.")
      .def("shutdown", &PythonExecutor::shutdown, "Makes spin return. Any thread; also from a callback.");

  module.def("_interpreter_ends", &stay_asleep_from_now_on);
}

}  // namespace sluice::python
