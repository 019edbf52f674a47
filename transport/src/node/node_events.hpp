#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include <spdlog/logger.h>

#include <sluice/transport.hpp>

namespace sluice::detail {

/// What happened to a node's endpoints, on its way from wherever a transport noticed it to the thread that spins. Lives
/// as long as the node or one of its endpoints. Thread-safe.
class NodeEvents {
 public:
  explicit NodeEvents(std::shared_ptr<spdlog::logger> logger) : logger_(std::move(logger)) {}

  /// Logs the event, keeps it for the handler, and calls `wake`.
  void push(const TransportEvent& event);

  /// Hands what came to the handler; whether there was anything. The thread that spins.
  bool deliver();

  /// From now on; an empty function ends it.
  void set_handler(std::function<void(const TransportEvent&)> handler);

  /// Called after every event, until it is replaced by an empty function.
  void set_wake(std::function<void()> wake);

 private:
  std::shared_ptr<spdlog::logger> logger_;
  std::atomic<bool> any_{false};
  std::mutex mutex_;
  std::vector<TransportEvent> events_;
  std::function<void(const TransportEvent&)> handler_;
  std::function<void()> wake_;
};

}  // namespace sluice::detail
