#pragma once

#include <pybind11/pybind11.h>

#include <memory>

#include "endpoints.hpp"

namespace sluice::python {

/// Adds what sluice.Node's parameters are made of.
void bind_parameters(pybind11::class_<PythonNode, std::shared_ptr<PythonNode>>& node);

}  // namespace sluice::python
