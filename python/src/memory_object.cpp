#include "memory_object.hpp"

#include <cstring>
#include <memory>

namespace sluice::python {

namespace py = pybind11;

namespace {

std::unique_ptr<Layout> layout_of(const py::object& message_type) {
  auto layout = std::make_unique<Layout>();
  layout->type = message_type;
  if (message_type.is_none()) return layout;
  const auto expected = py::module_::import("sluice.message_type").attr("MessageType");
  if (!py::isinstance(message_type, expected)) {
    throw py::type_error("a message type must be a sluice.MessageType, not " + std::string(py::repr(message_type)));
  }
  layout->dtype = message_type.attr("dtype").cast<py::dtype>();
  layout->size = message_type.attr("size").cast<std::size_t>();
  layout->name = message_type.attr("name").cast<std::string>();
  return layout;
}

}  // namespace

SharedLayout::SharedLayout(const py::object& message_type) {
  auto made = layout_of(message_type);
  layout = made.get();
  owner = py::capsule(made.get(), [](void* memory) { delete static_cast<Layout*>(memory); });
  (void)made.release();
}

void describe_memory(PyObject* self, std::byte* data, std::size_t size, const SharedLayout& layout,
                     bool writable) noexcept {
  static std::byte nothing{};  // a message of 0 bytes has a place, too: nullptr says that it was given back
  MemoryObject& memory = memory_of(self);
  memory.data = data != nullptr ? data : &nothing;
  memory.size = static_cast<Py_ssize_t>(size);
  memory.layout = layout.layout;
  memory.layout_owner = Py_NewRef(layout.owner.ptr());
  memory.writable = writable;
}

bool check_memory(PyObject* self) noexcept {
  if (memory_of(self).data != nullptr) return true;
  PyErr_Format(PyExc_ValueError, "this %s was given back already", Py_TYPE(self)->tp_name + sizeof("sluice.") - 1);
  return false;
}

int memory_get_buffer(PyObject* self, Py_buffer* view, int flags) noexcept {
  view->obj = nullptr;
  if (!check_memory(self)) return -1;
  MemoryObject& memory = memory_of(self);
  if (PyBuffer_FillInfo(view, self, memory.data, memory.size, memory.writable ? 0 : 1, flags) != 0) return -1;
  ++memory.exports;
  return 0;
}

void memory_release_buffer(PyObject* self, Py_buffer*) noexcept { --memory_of(self).exports; }

Py_ssize_t memory_length(PyObject* self) noexcept { return check_memory(self) ? memory_of(self).size : -1; }

PyObject* memory_array(PyObject* self, void*) noexcept {
  if (!check_memory(self)) return nullptr;
  return guarded([&] {
    const MemoryObject& memory = memory_of(self);
    // The memoryview counts as an export and keeps us alive; the array keeps the memoryview.
    const auto view = py::reinterpret_steal<py::object>(PyMemoryView_FromObject(self));
    if (!view) throw py::error_already_set();
    const bool fixed = memory.layout->fixed();
    auto array = fixed ? py::array(memory.layout->dtype, std::vector<py::ssize_t>{}, {}, memory.data, view)
                       : py::array(py::dtype::of<std::uint8_t>(), {memory.size}, {}, memory.data, view);
    if (!memory.writable) py::detail::array_proxy(array.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
    return array.release().ptr();
  });
}

/// message["field"]; a field that is one number comes as Python's own: NumPy's are five times as slow to compute with.
PyObject* memory_item(PyObject* self, PyObject* key) noexcept {
  const auto array = py::reinterpret_steal<py::object>(memory_array(self, nullptr));
  if (!array) return nullptr;
  PyObject* item = PyObject_GetItem(array.ptr(), key);
  if (item == nullptr || !py::isinstance<py::array>(item)) return item;
  const auto view = py::reinterpret_steal<py::array>(item);
  if (view.ndim() != 0 || view.dtype().has_fields()) return py::object(view).release().ptr();
  return PyObject_CallMethod(view.ptr(), "item", nullptr);
}

PyObject* memory_bytes(PyObject* self, PyObject*) noexcept {
  if (!check_memory(self)) return nullptr;
  return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(memory_of(self).data), memory_of(self).size);
}

PyTypeObject* add_type(py::module_& module, PyType_Spec& spec) {
  auto type = py::reinterpret_steal<py::object>(PyType_FromSpec(&spec));
  if (!type) throw py::error_already_set();
  auto* result = reinterpret_cast<PyTypeObject*>(type.ptr());
  module.add_object(std::strrchr(spec.name, '.') + 1, type);
  return result;
}

}  // namespace sluice::python
