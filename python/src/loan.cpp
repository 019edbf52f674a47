#include "loan.hpp"

#include <new>
#include <optional>

#include <sluice/shm/file_lock.hpp>

#include "bindings.hpp"

namespace sluice::python {

namespace py = pybind11;

namespace {

struct LoanObject {
  MemoryObject memory;
  std::uint32_t fork_generation;
  std::optional<BytesLoan> loan;  ///< Empty: published or given back.
};

PyTypeObject* loan_type = nullptr;

LoanObject& loan_object_of(PyObject* self) noexcept { return *reinterpret_cast<LoanObject*>(self); }

void loan_dealloc(PyObject* self) noexcept {
  PyTypeObject* type = Py_TYPE(self);
  LoanObject& object = loan_object_of(self);
  if (object.loan && object.fork_generation != shm::fork_generation()) {
    new BytesLoan(std::move(*object.loan));  // a forked child's: the publisher is the parent's, and is left alone
  }
  object.loan.~optional();
  Py_CLEAR(object.memory.layout_owner);
  type->tp_free(self);
  Py_DECREF(type);
}

PyMethodDef loan_methods[] = {{"__bytes__", &memory_bytes, METH_NOARGS, "A copy of the bytes."},
                              {nullptr, nullptr, 0, nullptr}};

int loan_set_item(PyObject* self, PyObject* key, PyObject* value) noexcept {
  const auto array = py::reinterpret_steal<py::object>(memory_array(self, nullptr));
  if (!array) return -1;
  if (value == nullptr) {
    PyErr_SetString(PyExc_TypeError, "a field of a loan cannot be deleted");
    return -1;
  }
  return PyObject_SetItem(array.ptr(), key, value);
}

PyGetSetDef loan_properties[] = {
    {"array", &memory_array, nullptr,
     "The loan as a NumPy array to write into: of shape () and the type's dtype, or one-dimensional and of uint8. What "
     "is in it at first is whatever an earlier message left there.",
     nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyType_Slot loan_slots[] = {
    {Py_tp_doc,
     const_cast<char*>("Memory of a publisher to write one message into. Publish it or drop it; dropping "
                       "costs nothing. Has the buffer protocol, writable; loan['field'] = value sets a field "
                       "of a typed one.")},
    {Py_tp_dealloc, reinterpret_cast<void*>(&loan_dealloc)},
    {Py_tp_methods, loan_methods},
    {Py_tp_getset, loan_properties},
    {Py_bf_getbuffer, reinterpret_cast<void*>(&memory_get_buffer)},
    {Py_bf_releasebuffer, reinterpret_cast<void*>(&memory_release_buffer)},
    {Py_mp_length, reinterpret_cast<void*>(&memory_length)},
    {Py_mp_subscript, reinterpret_cast<void*>(&memory_item)},
    {Py_mp_ass_subscript, reinterpret_cast<void*>(&loan_set_item)},
    {0, nullptr}};

PyType_Spec loan_spec = {"sluice.Loan", sizeof(LoanObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                         loan_slots};

}  // namespace

py::object make_loan(BytesLoan&& loan, std::size_t size, const SharedLayout& layout) {
  auto* self = loan_type->tp_alloc(loan_type, 0);
  if (self == nullptr) throw py::error_already_set();
  LoanObject& object = loan_object_of(self);
  describe_memory(self, loan.bytes().data(), size, layout, true);
  object.fork_generation = shm::fork_generation();
  new (&object.loan) std::optional<BytesLoan>(std::move(loan));
  return py::reinterpret_steal<py::object>(self);
}

MemoryObject* as_loan(py::handle object) noexcept {
  return Py_TYPE(object.ptr()) == loan_type ? &memory_of(object.ptr()) : nullptr;
}

BytesLoan take_loan(MemoryObject& loan) noexcept {
  auto& object = reinterpret_cast<LoanObject&>(loan);
  BytesLoan taken = std::move(*object.loan);
  object.loan.reset();
  loan.data = nullptr;
  return taken;
}

void bind_loan(py::module_& module) { loan_type = add_type(module, loan_spec); }

}  // namespace sluice::python
