#include "bindings.hpp"
#include "events.hpp"

PYBIND11_MODULE(_native, module) {
  module.doc() = "The compiled part of the package sluice; use the package.";
  sluice::python::bind_errors(module);
  sluice::python::bind_graph(module);
  sluice::python::bind_node(module);
  sluice::python::bind_message(module);
  sluice::python::bind_loan(module);
  sluice::python::bind_publisher(module);
  sluice::python::bind_subscription(module);
  sluice::python::bind_slick(module);
  sluice::python::bind_eshm(module);
}
