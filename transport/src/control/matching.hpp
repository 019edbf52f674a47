#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <sluice/graph.hpp>
#include <sluice/transport.hpp>

namespace sluice::detail {

/// An endpoint of this process, as far as matching goes.
struct OwnEndpoint {
  EndpointInfo info;                                  ///< Kind, node, topic, type, QoS.
  std::function<void(const TransportEvent&)> report;  ///< What does not fit.
  std::function<void()> look_again;                   ///< Has the thread that spins look at all subscriptions.

  std::mutex mutex;                                           ///< Guards `on_liveliness`.
  std::function<void(const LivelinessEvent&)> on_liveliness;  ///< Subscriptions.

  // The control thread only.
  std::set<std::string> reported;
  std::map<std::string, Liveliness> publishers;  ///< By record and node, as `on_liveliness` was told.
};

/// Compares this process's endpoints with those of others, and tells their owners what does not fit and who is alive.
/// `add` and `remove` from any thread, the rest from the control thread.
class Matching {
 public:
  using Processes = std::function<void(const std::function<void(const ProcessInfo&)>& visit)>;

  void add(std::shared_ptr<OwnEndpoint> endpoint);
  void remove(const OwnEndpoint* endpoint);

  /// Whether an endpoint of ours has a counterpart there.
  [[nodiscard]] bool concerns(const ProcessInfo& process) const;

  /// The shortest time in which one of our endpoints wants to know that this process is late; `otherwise` where none
  /// says.
  [[nodiscard]] std::chrono::nanoseconds lease(const ProcessInfo& process, std::chrono::nanoseconds otherwise) const;

  /// The shortest `liveliness` that one of our endpoints promises or asks for.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> shortest_liveliness() const;

  /// Reports each pair that does not fit once, to our side; the other side reports it to its own.
  void find_mismatches(const ProcessInfo& process);

  /// Has our subscriptions of what this process publishes look again: it may have died or been stopped after a message
  /// and before it rang.
  void look_again(const ProcessInfo& process) const;

  /// Tells each subscription which publishers are not as they were.
  void tell_liveliness(const Processes& processes);

  /// As tell_liveliness, when a process ended as `how`: its publishers did, too.
  void tell_end(const ProcessInfo& process, Liveliness how, const Processes& processes);

 private:
  [[nodiscard]] std::vector<std::shared_ptr<OwnEndpoint>> endpoints() const;

  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<OwnEndpoint>> endpoints_;
};

}  // namespace sluice::detail
