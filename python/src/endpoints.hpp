#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <string>

#include <sluice/node.hpp>
#include <sluice/shm/file_lock.hpp>

#include "memory_object.hpp"

namespace sluice::python {

/// A C++ object that a Python object owns until it is closed; who waits inside has a share of it, so that it outlives
/// the closing until the last of them has left. A forked child leaves it alone: it is the parent's, and another thread
/// of the parent may have been in the middle of using it. Under the interpreter's lock, except where noted.
template <typename T>
class Owned {
 public:
  explicit Owned(std::string what) : what_(std::move(what)) {}
  ~Owned() { close(); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;

  template <typename... Arguments>
  void emplace(Arguments&&... arguments) {
    value_ = std::make_shared<T>(std::forward<Arguments>(arguments)...);
    last_ = value_;
    fork_generation_ = shm::fork_generation();
  }

  /// For calls that keep the interpreter's lock. Throws Error once it is closed, and in a forked child.
  [[nodiscard]] T& get() const {
    if (value_ == nullptr) throw Error(what_ + " is closed");
    if (fork_generation_ != shm::fork_generation()) {
      throw Error(what_ + " was opened before fork() and belongs to the parent process; open another one in the child");
    }
    return *value_;
  }

  /// As get, for calls that give the lock back meanwhile.
  [[nodiscard]] std::shared_ptr<T> share() const {
    (void)get();
    return value_;
  }

  /// For whom it does not matter whether it is closed already.
  [[nodiscard]] T* get_if_usable() const noexcept {
    return fork_generation_ == shm::fork_generation() ? value_.get() : nullptr;
  }

  [[nodiscard]] bool closed() const noexcept { return closed_; }

  /// What tells an InterruptibleCall to stop.
  [[nodiscard]] const bool* stop() const noexcept { return &closed_; }

  /// Whether somebody is inside, also after the closing.
  [[nodiscard]] bool busy() const noexcept { return last_.use_count() > (value_ == nullptr ? 0 : 1); }

  /// No further use begins. Gives the interpreter's lock back while the object ends, which may wait for a callback that
  /// another thread runs.
  void close() noexcept {
    closed_ = true;
    std::shared_ptr<T> ending = std::move(value_);
    if (ending == nullptr) return;
    if (fork_generation_ != shm::fork_generation()) {
      (void)new std::shared_ptr<T>(std::move(ending));
      return;
    }
    const pybind11::gil_scoped_release release;
    ending.reset();
  }

 private:
  std::string what_;
  std::shared_ptr<T> value_;
  std::weak_ptr<T> last_;
  std::uint32_t fork_generation_ = 0;
  bool closed_ = false;
};

/// Owns a C++ Node for sluice.Node.
struct PythonNode {
  PythonNode(const std::string& name, NodeOptions options) : node("node '" + name + "'") {
    node.emplace(name, std::move(options));
  }
  Owned<Node> node;
};

/// Prints a callback's exception as Python does at the top of a program, and goes on; KeyboardInterrupt and SystemExit
/// go on their way.
void report_callback_error(pybind11::error_already_set& error, const std::string& callback);

}  // namespace sluice::python
