#pragma once

#include <sluice/publisher.hpp>

#include "memory_object.hpp"

namespace sluice::python {

/// Memory of a publisher as sluice.Loan of `size` bytes.
[[nodiscard]] pybind11::object make_loan(BytesLoan&& loan, std::size_t size, const SharedLayout& layout);

/// The memory of a Loan, or nullptr when the object is none.
[[nodiscard]] MemoryObject* as_loan(pybind11::handle object) noexcept;

/// Takes the loan out of the object, which has none from then on. Not while views exist.
[[nodiscard]] BytesLoan take_loan(MemoryObject& loan) noexcept;

}  // namespace sluice::python
