#pragma once

#include <pybind11/pybind11.h>

/// The parts of the extension module `sluice._native`. Each adds its classes to the module.
namespace sluice::python {

void bind_errors(pybind11::module_& module);
void bind_node(pybind11::module_& module);
void bind_publisher(pybind11::module_& module);
void bind_subscription(pybind11::module_& module);
void bind_message(pybind11::module_& module);
void bind_loan(pybind11::module_& module);
void bind_slick(pybind11::module_& module);
void bind_eshm(pybind11::module_& module);

}  // namespace sluice::python
