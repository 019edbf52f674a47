#include "errors.hpp"

#include "bindings.hpp"

namespace sluice::python {

void bind_errors(pybind11::module_& module) {
  // RuntimeError, as sluice::Error is a std::runtime_error. Later registrations are asked first.
  const auto& error = pybind11::register_exception<Error>(module, "Error", PyExc_RuntimeError);
  pybind11::register_exception<SystemError>(module, "SystemError", error);
  pybind11::register_exception<ConfigError>(module, "ConfigError", error);
  pybind11::register_exception<OutOfChunksError>(module, "OutOfChunksError", error);
  pybind11::register_exception<OwnSubscriptionFullError>(module, "OwnSubscriptionFullError", error);
}

}  // namespace sluice::python
