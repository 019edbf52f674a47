#include "bindings.hpp"

namespace sluice::python {

void bind_eshm(pybind11::module_& module) { (void)module; }

}  // namespace sluice::python
