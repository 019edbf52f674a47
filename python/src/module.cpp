#include <sluice/sluice.hpp>

#include "bindings.hpp"

PYBIND11_MODULE(_native, module) {
  module.doc() = "The compiled part of the package sluice; use the package.";
  sluice::python::bind_errors(module);
  sluice::python::bind_slick(module);
  sluice::python::bind_eshm(module);
}
