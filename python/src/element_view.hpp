#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <memory>

namespace sluice::python {

/// A writable memoryview of bytes over memory that `owner` keeps alive: for as long as the view, or any slice of it,
/// exists.
[[nodiscard]] pybind11::object writable_view(std::shared_ptr<void> owner, std::byte* data, std::size_t size);

}  // namespace sluice::python
