#include "element_view.hpp"

#include <array>
#include <new>
#include <utility>

namespace sluice::python {

namespace {

/// What a memoryview asks for an element's bytes. A type by hand, for one is made with every element that is looked at,
/// and pybind11's own way takes longer than all the rest.
struct Element {
  PyObject base;  // first, as in every Python object
  std::shared_ptr<void> owner;
  std::byte* data;
  std::size_t size;
};

void deallocate(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  reinterpret_cast<Element*>(self)->owner.~shared_ptr();
  type->tp_free(self);
  Py_DECREF(type);
}

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  const auto* element = reinterpret_cast<Element*>(self);
  return PyBuffer_FillInfo(view, self, element->data, static_cast<Py_ssize_t>(element->size), 0, flags);
}

PyTypeObject* make_type() {
  static std::array<PyType_Slot, 3> slots{{{Py_tp_dealloc, reinterpret_cast<void*>(&deallocate)},
                                           {Py_bf_getbuffer, reinterpret_cast<void*>(&get_buffer)},
                                           {0, nullptr}}};
  static PyType_Spec spec{"sluice._native.SlickElement", sizeof(Element), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots.data()};
  PyObject* type = PyType_FromSpec(&spec);
  if (type == nullptr) throw pybind11::error_already_set();
  return reinterpret_cast<PyTypeObject*>(type);
}

}  // namespace

pybind11::object writable_view(std::shared_ptr<void> owner, std::byte* data, std::size_t size) {
  static PyTypeObject* const type = make_type();
  auto element = pybind11::reinterpret_steal<pybind11::object>(type->tp_alloc(type, 0));
  if (!element) throw pybind11::error_already_set();
  auto* fields = reinterpret_cast<Element*>(element.ptr());
  new (&fields->owner) std::shared_ptr<void>(std::move(owner));
  fields->data = data;
  fields->size = size;
  auto view = pybind11::reinterpret_steal<pybind11::object>(PyMemoryView_FromObject(element.ptr()));
  if (!view) throw pybind11::error_already_set();
  return view;
}

}  // namespace sluice::python
