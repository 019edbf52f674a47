#pragma once

#include <optional>

#include <sluice/subscription.hpp>

#include "memory_object.hpp"

namespace sluice::python {

/// A received message as sluice.Message.
[[nodiscard]] pybind11::object make_message(BytesMessage&& message, const SharedLayout& layout);

}  // namespace sluice::python
