#include "events.hpp"

#include <pybind11/stl.h>

#include <sluice/graph.hpp>

namespace sluice::python {

namespace py = pybind11;

namespace {

const char* to_string(EndpointKind kind) { return kind == EndpointKind::publisher ? "publisher" : "subscription"; }

const char* to_string(GraphEvent::Kind kind) {
  switch (kind) {
    case GraphEvent::Kind::joined: return "joined";
    case GraphEvent::Kind::changed: return "changed";
    case GraphEvent::Kind::alive: return "alive";
    case GraphEvent::Kind::late: return "late";
    case GraphEvent::Kind::lost: return "lost";
    case GraphEvent::Kind::left: return "left";
  }
  return "?";
}

double seconds(std::chrono::nanoseconds duration) { return static_cast<double>(duration.count()) / 1e9; }

void bind_snapshot(py::module_& module) {
  py::class_<EndpointInfo>(module, "EndpointInfo", "A publisher or a subscription of some process.")
      .def_property_readonly(
          "kind", [](const EndpointInfo& info) { return to_string(info.kind); }, "\"publisher\" or \"subscription\".")
      .def_readonly("node", &EndpointInfo::node, "Fully qualified.")
      .def_readonly("topic", &EndpointInfo::topic, "Fully qualified.")
      .def_readonly("type", &EndpointInfo::type, "Empty: undeclared bytes.")
      .def_readonly("transport", &EndpointInfo::transport, "The word after `transport:` in YAML.")
      .def_readonly("medium", &EndpointInfo::medium, "The file that carries the topic; empty: none, or not known.")
      .def_readonly("refused", &EndpointInfo::refused, "Why it could not be opened; empty for one that is open.")
      .def_readonly("messages", &EndpointInfo::messages, "Published or received.")
      .def_readonly("bytes", &EndpointInfo::bytes, "Their payload.")
      .def_readonly("lost", &EndpointInfo::lost, "Subscriptions: overwritten before they were taken.")
      .def_readonly("skipped", &EndpointInfo::skipped, "Subscriptions: holes that dead publishers left.")
      .def_readonly("queued", &EndpointInfo::queued, "Subscriptions: not yet taken.")
      .def_readonly("timeouts", &EndpointInfo::timeouts, "Publications that timed out.")
      .def_readonly("deadlines_missed", &EndpointInfo::deadlines_missed, "Times that `deadline` passed in vain.");

  py::class_<ProcessInfo>(module, "ProcessInfo", "A process of the domain.")
      .def_readonly("pid", &ProcessInfo::pid, "In the PID namespace of the process itself.")
      .def_readonly("executable", &ProcessInfo::executable, "Base name.")
      .def_readonly("record", &ProcessInfo::record, "Path of its record: names the process in all PID namespaces.")
      .def_property_readonly(
          "liveliness", [](const ProcessInfo& info) { return sluice::to_string(info.liveliness); },
          "\"alive\", \"late\", \"lost\" or \"left\".")
      .def_readonly("late_because", &ProcessInfo::late_because, "For people; empty unless late.")
      .def_readonly("nodes", &ProcessInfo::nodes, "Fully qualified names.")
      .def_readonly("endpoints", &ProcessInfo::endpoints, "Of all its nodes, those that are open.")
      .def_readonly("refused", &ProcessInfo::refused, "Those that could not be opened, the last of each topic.");

  py::class_<GraphSnapshot>(module, "GraphSnapshot", "What is in a domain, complete.")
      .def_readonly("processes", &GraphSnapshot::processes, "Living ones, sorted by pid.")
      .def_readonly("lost", &GraphSnapshot::lost, "Dead ones, while their records are still there, sorted by pid.")
      .def_readonly("problems", &GraphSnapshot::problems, "Files that are no usable records, with reasons.");
}

}  // namespace

void bind_graph(py::module_& module) {
  bind_snapshot(module);

  py::class_<GraphEvent>(module, "GraphEvent", "Something that happened to another process of the domain.")
      .def_property_readonly(
          "kind", [](const GraphEvent& event) { return to_string(event.kind); },
          "\"joined\", \"changed\", \"alive\", \"late\", \"lost\" or \"left\".")
      .def_readonly("process", &GraphEvent::process, "As it is now, or was at last.");

  py::class_<LivelinessEvent>(module, "LivelinessEvent",
                              "A publisher that a subscription receives from changed its liveliness.")
      .def_readonly("topic", &LivelinessEvent::topic, "Fully qualified.")
      .def_readonly("node", &LivelinessEvent::node, "The publisher's.")
      .def_readonly("pid", &LivelinessEvent::pid, "The publisher's process.")
      .def_property_readonly(
          "liveliness", [](const LivelinessEvent& event) { return sluice::to_string(event.liveliness); },
          "\"alive\", \"late\", \"lost\" or \"left\".")
      .def_readonly("because", &LivelinessEvent::because, "For people; empty where the word says all.")
      .def_readonly("alive", &LivelinessEvent::alive, "Publishers of the topic that are alive now.")
      .def_readonly("late", &LivelinessEvent::late, "Publishers of the topic that are late now.");

  py::class_<DeadlineEvent>(module, "DeadlineEvent", "A `deadline` passed without a message.")
      .def_readonly("topic", &DeadlineEvent::topic, "Fully qualified.")
      .def_property_readonly(
          "deadline", [](const DeadlineEvent& event) { return seconds(event.deadline); },
          "What the topic allows between two messages, in seconds.")
      .def_readonly("total", &DeadlineEvent::total, "Deadlines missed by this endpoint so far.");
}

}  // namespace sluice::python
