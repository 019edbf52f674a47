#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include <spdlog/logger.h>

#include <sluice/graph.hpp>
#include <sluice/transport.hpp>

namespace sluice::detail {

/// What happened to a node, its endpoints or its peers, on its way from wherever it was noticed to the thread that
/// spins. Lives as long as the node or one of its endpoints. Thread-safe.
class NodeEvents {
 public:
  explicit NodeEvents(std::shared_ptr<spdlog::logger> logger) : logger_(std::move(logger)) {}

  /// Logs the event, keeps it for the handler, and calls `wake`.
  void push(const TransportEvent& event);

  /// Keeps a call for the thread that spins, and calls `wake`. What nobody spins for is dropped when it has become
  /// much.
  void call(std::function<void()> call);

  /// Logs the first of a series.
  void missed_deadline(const DeadlineEvent& event, const char* what);

  /// Makes the calls that came; whether there was any. The thread that spins.
  bool deliver();

  /// From now on; an empty function ends it.
  void set_handler(std::function<void(const TransportEvent&)> handler);

  /// Has the thread that spins look at everything.
  void wake();

  /// What `wake` calls, also after every event, until it is replaced by an empty function.
  void set_wake(std::function<void()> wake);

 private:
  std::shared_ptr<spdlog::logger> logger_;
  std::atomic<bool> any_{false};
  std::mutex mutex_;
  std::vector<std::function<void()>> calls_;
  std::function<void(const TransportEvent&)> handler_;
  std::function<void()> wake_;
};

}  // namespace sluice::detail
