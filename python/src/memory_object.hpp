#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <exception>
#include <string>

/// What Message and Loan share: Python objects over memory of a transport, which NumPy arrays and memoryviews may look
/// into for as long as they like.
namespace sluice::python {

/// What a topic's messages are for NumPy: an instance of sluice.MessageType, looked up once for each endpoint.
struct Layout {
  pybind11::object type;  ///< None: bytes.
  pybind11::dtype dtype;  ///< Of one message.
  std::size_t size = 0;   ///< In bytes; 0: variable.
  std::string name;       ///< As in the topic's type.

  [[nodiscard]] bool fixed() const noexcept { return size != 0; }
};

/// A layout and the Python object that owns it.
struct SharedLayout {
  /// From a MessageType or None. Throws TypeError for anything else.
  explicit SharedLayout(const pybind11::object& message_type);
  [[nodiscard]] const Layout* operator->() const noexcept { return layout; }

  const Layout* layout;
  pybind11::capsule owner;
};

/// The beginning of both objects. Written under the interpreter's lock only.
///
/// Invariant: while exports > 0, somebody else may touch `data`, so its owner does not give it back. Every array and
/// memoryview counts; those made from them keep them alive.
struct MemoryObject {
  PyObject ob_base;        ///< As PyObject_HEAD.
  std::byte* data;         ///< nullptr: given back.
  Py_ssize_t size;         ///< In bytes.
  Py_ssize_t exports;      ///< Views that exist.
  const Layout* layout;    ///< The endpoint's.
  PyObject* layout_owner;  ///< Keeps it; a reference.
  bool writable;           ///< Through views.
};

[[nodiscard]] inline MemoryObject& memory_of(PyObject* self) noexcept { return *reinterpret_cast<MemoryObject*>(self); }

/// Whether `self` still has its memory; sets ValueError otherwise.
[[nodiscard]] bool check_memory(PyObject* self) noexcept;

/// Buffer protocol, mapping protocol and the property `array`, for the types' slots.
int memory_get_buffer(PyObject* self, Py_buffer* view, int flags) noexcept;
void memory_release_buffer(PyObject* self, Py_buffer* view) noexcept;
Py_ssize_t memory_length(PyObject* self) noexcept;
PyObject* memory_array(PyObject* self, void* unused) noexcept;
PyObject* memory_item(PyObject* self, PyObject* key) noexcept;
PyObject* memory_bytes(PyObject* self, PyObject* unused) noexcept;

/// Makes a type from a spec and adds it to the module. Its objects cannot be made from Python.
PyTypeObject* add_type(pybind11::module_& module, PyType_Spec& spec);

/// Fills in what both objects have, for memory that cannot be nullptr.
void describe_memory(PyObject* self, std::byte* data, std::size_t size, const SharedLayout& layout,
                     bool writable) noexcept;

/// A C++ function's exceptions, as Python's.
template <typename Body>
PyObject* guarded(const Body& body) noexcept {
  try {
    return body();
  } catch (pybind11::error_already_set& error) {
    error.restore();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return nullptr;
}

}  // namespace sluice::python
