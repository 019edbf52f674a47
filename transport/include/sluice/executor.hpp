#pragma once

#include <chrono>
#include <memory>

#include <sluice/export.hpp>

namespace sluice {

class Node;
namespace detail {
struct ExecutorImpl;
struct NodeImpl;
}  // namespace detail

/// Runs the callbacks and timers of one or more nodes in the thread that spins. While nothing happens it sleeps in one
/// system call and costs nothing.
///
/// Thread safety: one thread spins; add, remove and shutdown may be called from any thread. An exception that leaves a
/// callback leaves spin.
class SLUICE_EXPORT Executor {
 public:
  Executor();
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  /// A node belongs to at most one executor.
  void add(Node& node);
  /// Takes effect with the next round: a callback of the node that is running meanwhile goes on.
  void remove(Node& node);

  /// Until shutdown(), or SIGINT or SIGTERM when one of its nodes handles signals.
  void spin();

  /// As spin, at most for `duration`; false when it ended earlier.
  bool spin_for(std::chrono::nanoseconds duration);

  /// Runs what is ready now, or waits up to `timeout` for something; whether anything ran.
  bool spin_once(std::chrono::nanoseconds timeout);

  /// Makes spin return after the callback that is running. Any thread; also from a callback.
  void shutdown() noexcept;
  /// Whether shutdown was called. Any thread.
  [[nodiscard]] bool is_shut_down() const noexcept;

 private:
  friend struct detail::NodeImpl;
  std::unique_ptr<detail::ExecutorImpl> impl_;
};

/// Whether SIGINT or SIGTERM arrived since the first node of this process that handles signals was made.
[[nodiscard]] SLUICE_EXPORT bool signal_received() noexcept;

/// For loops that take instead of spinning: `while (sluice::ok()) ...`.
[[nodiscard]] inline bool ok() noexcept { return !signal_received(); }

}  // namespace sluice
