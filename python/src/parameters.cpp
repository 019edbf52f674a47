#include "parameters.hpp"

#include <pybind11/stl.h>

#include <type_traits>
#include <utility>

namespace sluice::python {

namespace py = pybind11;

namespace {

template <typename Element>
bool is_a(const py::handle& value) {
  const bool is_bool = py::isinstance<py::bool_>(value);
  if constexpr (std::is_same_v<Element, bool>) return is_bool;
  if constexpr (std::is_same_v<Element, std::int64_t>) return !is_bool && py::isinstance<py::int_>(value);
  if constexpr (std::is_same_v<Element, double>) {
    return !is_bool && (py::isinstance<py::float_>(value) || py::isinstance<py::int_>(value));
  }
  if constexpr (std::is_same_v<Element, std::string>) return py::isinstance<py::str>(value);
}

template <typename Held>
struct IsList : std::false_type {};
template <typename Element>
struct IsList<std::vector<Element>> : std::true_type {};

template <typename Held>
std::optional<ParameterValue> value_of(const py::object& value) {
  if constexpr (IsList<Held>::value) {
    if (!py::isinstance<py::list>(value) && !py::isinstance<py::tuple>(value)) return std::nullopt;
    for (const py::handle element : value) {
      if (!is_a<typename Held::value_type>(element)) return std::nullopt;
    }
    return value.cast<Held>();
  } else {
    if (!is_a<Held>(value)) return std::nullopt;
    return value.cast<Held>();
  }
}

[[noreturn]] void refuse_type(const std::string& name, const py::object& value) {
  throw py::type_error("parameter '" + name + "' must be a bool, an int of 64 bits, a float, a str, or a list of the " +
                       "last three with at least one element, not " + py::repr(value).cast<std::string>());
}

/// Python's word for the type of a new parameter; what is in a list tells its type, so an empty one has none.
ParameterValue value_of_default(const std::string& name, const py::object& value) {
  std::optional<ParameterValue> found;
  const bool list = py::isinstance<py::list>(value) || py::isinstance<py::tuple>(value);
  if (list && py::len(value) == 0) refuse_type(name, value);
  const auto attempt = [&]<typename Held>() {
    if (!found) found = value_of<Held>(value);
  };
  attempt.operator()<bool>();
  attempt.operator()<std::int64_t>();
  attempt.operator()<double>();
  attempt.operator()<std::string>();
  attempt.operator()<std::vector<std::int64_t>>();
  attempt.operator()<std::vector<double>>();
  attempt.operator()<std::vector<std::string>>();
  if (!found) refuse_type(name, value);
  return *found;
}

/// Calls Python's Node._refusal, which finds the parameter's own callback. Nothing of Python may leave the library's
/// request: whoever asked would never be answered.
std::string refusal(py::handle self, const std::string& name, const ParameterValue& value) {
  const auto node = py::reinterpret_borrow<py::object>(self);
  try {
    return node.attr("_refusal")(name, value).cast<std::string>();
  } catch (py::error_already_set& error) {
    const std::string kind = error.type().attr("__name__").cast<std::string>();
    if (error.matches(PyExc_KeyboardInterrupt) || error.matches(PyExc_SystemExit)) {
      PyErr_SetInterrupt();  // whoever spins is interrupted once the answer is there
      return "the program is ending";
    }
    error.restore();
    PySys_FormatStderr("sluice: the callback of parameter '%s' raised:\n", name.c_str());
    PyErr_Print();
    return "its callback raised " + kind;
  }
}

}  // namespace

void bind_parameters(py::class_<PythonNode, std::shared_ptr<PythonNode>>& node) {
  node.def(
          "_declare_parameter",
          [](PythonNode& self, const std::string& name, const py::object& otherwise, const std::string& description,
             std::optional<double> minimum, std::optional<double> maximum, bool read_only) {
            return std::visit(
                [&]<typename Held>(Held held) {
                  const ParameterOptions options{description, minimum, maximum, read_only};
                  return ParameterValue(self.node.get().declare_parameter<Held>(name, std::move(held), options));
                },
                value_of_default(name, otherwise));
          },
          py::arg("name"), py::arg("otherwise"), py::arg("description"), py::arg("minimum"), py::arg("maximum"),
          py::arg("read_only"))
      .def(
          "_set_parameter",
          [](PythonNode& self, const std::string& name, const py::object& value, const py::object& like) {
            std::visit(
                [&]<typename Held>(const Held&) {
                  const auto typed = value_of<Held>(value);
                  if (!typed) {
                    throw py::type_error("parameter '" + name + "' is of type " + type_name(Held{}) + ", and " +
                                         py::repr(value).cast<std::string>() + " is not");
                  }
                  self.node.get().set_parameter<Held>(name, std::get<Held>(*typed));
                },
                value_of_default(name, like));
          },
          py::arg("name"), py::arg("value"), py::arg("like"))
      .def(
          "_parameter_value",
          [](PythonNode& self, const std::string& name, const py::object& like) {
            const ParameterValue kind = value_of_default(name, like);
            const auto text = self.node.get().parameter<std::string>(name, "");
            return parse_parameter(kind, text).value_or(kind);
          },
          py::arg("name"), py::arg("like"))
      .def("_ask_before_parameters_change", [](const py::object& self) {
        self.cast<PythonNode&>().node.get().on_set_parameter(
            [handle = py::handle(self)](const std::string& name, const ParameterValue& value) {
              return refusal(handle, name, value);
            });
      });
}

}  // namespace sluice::python
