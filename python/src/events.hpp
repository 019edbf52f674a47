#pragma once

#include <pybind11/pybind11.h>

#include <functional>

#include "endpoints.hpp"

namespace sluice::python {

/// Calls the method `method` of the Python object `self`, which it does not own: the object ends what calls this before
/// it goes. `what` names the callback when it raises.
template <typename Event>
std::function<void(const Event&)> handler_of(pybind11::handle self, const char* method, const char* what) {
  return [self, method, what](const Event& event) {
    const auto object = pybind11::reinterpret_borrow<pybind11::object>(self);
    try {
      object.attr(method)(event);
    } catch (pybind11::error_already_set& error) {
      report_callback_error(error, what);
    }
  };
}

/// Adds the classes of what Node.graph returns and of what happens in the graph.
void bind_graph(pybind11::module_& module);

}  // namespace sluice::python
