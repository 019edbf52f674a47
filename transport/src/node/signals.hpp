#pragma once

#include <sluice/shm/wait_set.hpp>

namespace sluice::detail {

/// Installs handlers for SIGINT and SIGTERM that make signal_received() true and interrupt every watched wait set. The
/// second signal of a kind has its default effect, so that a process that hangs in a callback can still be ended by
/// Ctrl-C; except when it follows the first so closely that it is the same one, sent twice.
void handle_termination_signals();

/// As if SIGTERM had come: `ok()` is false, every spin that heeds signals ends.
void request_termination() noexcept;

/// While it lives, a termination signal interrupts `set`.
class SignalWatch {
 public:
  explicit SignalWatch(shm::WaitSet& set);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  std::size_t slot_;
};

}  // namespace sluice::detail
