#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <sluice/node.hpp>
#include <sluice/shm/file_lock.hpp>

#include "memory_object.hpp"

namespace sluice::python {

/// A C++ object that a Python object owns until it is closed. A forked child leaves it alone: it is the parent's, and
/// another thread of the parent may have been in the middle of using it.
template <typename T>
class Owned {
 public:
  explicit Owned(std::string what) : what_(std::move(what)) {}
  ~Owned() { reset(); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;

  template <typename... Arguments>
  void emplace(Arguments&&... arguments) {
    value_ = std::make_unique<T>(std::forward<Arguments>(arguments)...);
    fork_generation_ = shm::fork_generation();
  }

  /// Throws Error once it is closed, and in a forked child.
  [[nodiscard]] T& get() const {
    if (value_ == nullptr) throw Error(what_ + " is closed");
    if (fork_generation_ != shm::fork_generation()) {
      throw Error(what_ + " was opened before fork() and belongs to the parent process; open another one in the child");
    }
    return *value_;
  }

  /// For whom it does not matter whether it is closed already.
  [[nodiscard]] T* get_if_usable() const noexcept {
    return fork_generation_ == shm::fork_generation() ? value_.get() : nullptr;
  }

  [[nodiscard]] bool closed() const noexcept { return value_ == nullptr; }

  void reset() noexcept {
    if (fork_generation_ == shm::fork_generation()) {
      value_.reset();
    } else {
      (void)value_.release();
    }
  }

 private:
  std::string what_;
  std::unique_ptr<T> value_;
  std::uint32_t fork_generation_ = 0;
};

/// Owns a C++ Node for sluice.Node.
struct PythonNode {
  PythonNode(const std::string& name, NodeOptions options) : node("node '" + name + "'") {
    node.emplace(name, std::move(options));
  }
  Owned<Node> node;
  int spinning = 0;      ///< Calls of spin that are running; the last one closes the node if
  bool closing = false;  ///< close was called meanwhile.
};

/// Prints a callback's exception as Python does at the top of a program, and goes on; KeyboardInterrupt and SystemExit
/// go on their way.
void report_callback_error(pybind11::error_already_set& error, const std::string& callback);

}  // namespace sluice::python
