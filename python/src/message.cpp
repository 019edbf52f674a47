#include "message.hpp"

#include <structmember.h>
#include <structseq.h>

#include <new>
#include <vector>

#include <sluice/shm/file_lock.hpp>

#include "bindings.hpp"

namespace sluice::python {

namespace py = pybind11;

namespace {

struct MessageObject {
  MemoryObject memory;
  std::uint32_t fork_generation;
  std::optional<BytesMessage> message;  ///< Empty: given back.
};

PyTypeObject* message_type = nullptr;
PyTypeObject* info_type = nullptr;

MessageObject& message_object_of(PyObject* self) noexcept { return *reinterpret_cast<MessageObject*>(self); }

void give_back(MessageObject& object) noexcept {
  object.memory.data = nullptr;
  if (object.fork_generation == shm::fork_generation()) {
    object.message.reset();
  } else if (object.message) {
    // In a forked child what it refers to is the parent's, and may have been in use by another thread at the fork.
    [[maybe_unused]] static auto& left_alone = *new std::vector<std::optional<BytesMessage>>;
    left_alone.push_back(std::move(object.message));
    object.message.reset();
  }
}

void message_dealloc(PyObject* self) noexcept {
  PyTypeObject* type = Py_TYPE(self);
  MessageObject& object = message_object_of(self);
  give_back(object);
  object.message.~optional();
  Py_CLEAR(object.memory.layout_owner);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* message_release(PyObject* self, PyObject*) noexcept {
  MessageObject& object = message_object_of(self);
  if (object.memory.exports > 0) {
    PyErr_Format(PyExc_BufferError,
                 "the message cannot be given back: %zd arrays or memoryviews still look into it; delete them first, "
                 "or copy what you need",
                 object.memory.exports);
    return nullptr;
  }
  give_back(object);
  Py_RETURN_NONE;
}

PyObject* message_enter(PyObject* self, PyObject*) noexcept { return Py_NewRef(self); }

/// Gives the message back if nobody looks into it; otherwise the last of them does.
PyObject* message_exit(PyObject* self, PyObject*) noexcept {
  if (message_object_of(self).memory.exports == 0) give_back(message_object_of(self));
  Py_RETURN_NONE;
}

PyObject* message_info(PyObject* self, void*) noexcept {
  if (!check_memory(self)) return nullptr;
  const MessageInfo& info = message_object_of(self).message->info();
  PyObject* result = PyStructSequence_New(info_type);
  if (result == nullptr) return nullptr;
  PyStructSequence_SET_ITEM(result, 0, PyLong_FromUnsignedLongLong(info.sequence));
  PyStructSequence_SET_ITEM(result, 1, PyLong_FromLongLong(info.published_ns));
  PyStructSequence_SET_ITEM(result, 2, PyLong_FromUnsignedLongLong(info.publisher));
  PyStructSequence_SET_ITEM(result, 3, PyLong_FromUnsignedLongLong(info.lost));
  PyStructSequence_SET_ITEM(result, 4, PyBool_FromLong(info.redelivered));
  return result;
}

PyObject* message_valid(PyObject* self, void*) noexcept {
  const MessageObject& object = message_object_of(self);
  return PyBool_FromLong(object.message && object.fork_generation == shm::fork_generation() && object.message->valid());
}

PyObject* message_repr(PyObject* self) noexcept {
  const MemoryObject& memory = memory_of(self);
  if (memory.data == nullptr) return PyUnicode_FromString("<sluice.Message, given back>");
  const MessageInfo& info = message_object_of(self).message->info();
  return PyUnicode_FromFormat("<sluice.Message %s of %zd bytes, sequence %llu>", memory.layout->name.c_str(),
                              memory.size, static_cast<unsigned long long>(info.sequence));
}

PyMethodDef message_methods[] = {
    {"release", &message_release, METH_NOARGS,
     "Gives the message back now, instead of with the last reference to it. BufferError while arrays or memoryviews "
     "still look into it."},
    {"__bytes__", &memory_bytes, METH_NOARGS, "A copy of the bytes."},
    {"__enter__", &message_enter, METH_NOARGS, "The message."},
    {"__exit__", &message_exit, METH_VARARGS,
     "Gives the message back; with the last array or memoryview that looks into it, if there are any."},
    {nullptr, nullptr, 0, nullptr}};

PyGetSetDef message_properties[] = {
    {"array", &memory_array, nullptr,
     "The message as a read-only NumPy array over the memory it arrived in, without a copy: of shape () and the type's "
     "dtype, or one-dimensional and of uint8. It keeps the message, and on reliable topics the message's place in the "
     "topic: publishers wait for it when the topic is full.",
     nullptr},
    {"info", &message_info, nullptr, "Who sent it, when, and what was lost before it: a MessageInfo.", nullptr},
    {"valid", &message_valid, nullptr,
     "False once the subscription was evicted for holding publishers up (evict_after): the bytes may be another "
     "message's. False as well when the message was given back.",
     nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyType_Slot message_slots[] = {
    {Py_tp_doc, const_cast<char*>("A received message. It is given back when nothing refers to it any more. Has the "
                                  "buffer protocol, read-only; message['field'] is a field of a typed one.")},
    {Py_tp_dealloc, reinterpret_cast<void*>(&message_dealloc)},
    {Py_tp_repr, reinterpret_cast<void*>(&message_repr)},
    {Py_tp_methods, message_methods},
    {Py_tp_getset, message_properties},
    {Py_bf_getbuffer, reinterpret_cast<void*>(&memory_get_buffer)},
    {Py_bf_releasebuffer, reinterpret_cast<void*>(&memory_release_buffer)},
    {Py_mp_length, reinterpret_cast<void*>(&memory_length)},
    {Py_mp_subscript, reinterpret_cast<void*>(&memory_item)},
    {0, nullptr}};

PyType_Spec message_spec = {"sluice.Message", sizeof(MessageObject), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, message_slots};

PyStructSequence_Field info_fields[] = {
    {"sequence", "Counts this publisher's messages from 0."},
    {"published_ns", "CLOCK_MONOTONIC (time.monotonic_ns) at publication; 0: unknown."},
    {"publisher", "Who counts in sequence; 0: unknown."},
    {"lost", "Messages lost by this subscription since the one before."},
    {"redelivered", "Groups: another member had it before and died or was evicted; maybe seen twice."},
    {nullptr, nullptr}};

PyStructSequence_Desc info_description = {"sluice.MessageInfo", "What is known about a received message.", info_fields,
                                          5};

}  // namespace

py::object make_message(BytesMessage&& message, const SharedLayout& layout) {
  auto* self = message_type->tp_alloc(message_type, 0);
  if (self == nullptr) throw py::error_already_set();
  MessageObject& object = message_object_of(self);
  const auto bytes = message.bytes();
  describe_memory(self, const_cast<std::byte*>(bytes.data()), bytes.size(), layout, false);
  object.fork_generation = shm::fork_generation();
  new (&object.message) std::optional<BytesMessage>(std::move(message));
  return py::reinterpret_steal<py::object>(self);
}

void bind_message(py::module_& module) {
  message_type = add_type(module, message_spec);
  info_type = PyStructSequence_NewType(&info_description);
  if (info_type == nullptr) throw py::error_already_set();
  module.add_object("MessageInfo", reinterpret_cast<PyObject*>(info_type));
}

}  // namespace sluice::python
