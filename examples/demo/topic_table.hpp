#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <sluice/graph.hpp>

namespace demo {

/// What the dashboard knows about the topics of a domain, gathered from one snapshot of the graph after the other.
/// What a process counted stays in the sums after the process is gone.
class TopicTable {
 public:
  /// `now_s`: seconds of any steady clock.
  void update(const sluice::GraphSnapshot& graph, double now_s);

  /// The table as it is now, with rates since the call before this one; lines of at most `width` columns.
  [[nodiscard]] std::vector<std::string> live(std::size_t width, double now_s);

  /// The totals so far.
  [[nodiscard]] std::vector<std::string> summary(std::size_t width) const;

 private:
  /// An endpoint has no name of its own, so equal ones of a process are told apart by their order.
  struct Key {
    std::int64_t pid = 0;
    std::string node;
    std::string topic;
    sluice::EndpointKind kind{};
    std::uint32_t number = 0;
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  struct Endpoint {
    sluice::EndpointInfo last;
    sluice::LatencyHistogram base;  ///< What had been measured before we came.
    bool alive = true;
  };

  struct Sums {
    std::string transport;
    std::uint32_t alive = 0;
    std::uint32_t publishers = 0;
    std::uint64_t published = 0;
    std::uint64_t published_bytes = 0;
    std::uint64_t received = 0;
    std::uint64_t received_bytes = 0;
    std::uint64_t lost = 0;
    std::uint64_t timeouts = 0;
    sluice::LatencyHistogram latency;

    /// What the rate is the rate of: what is published, or received where foreign programs publish.
    [[nodiscard]] std::uint64_t messages() const noexcept { return publishers > 0 ? published : received; }
    [[nodiscard]] std::uint64_t bytes() const noexcept { return publishers > 0 ? published_bytes : received_bytes; }
  };

  static void add(Sums& sums, const Endpoint& endpoint);
  void look_at(const Key& key, const sluice::EndpointInfo& info);
  [[nodiscard]] std::map<std::string, Sums> sums() const;

  std::map<Key, Endpoint> endpoints_;
  std::map<std::string, Sums> gone_;    ///< Of endpoints whose place another one took.
  std::map<std::string, Sums> before_;  ///< At the last live().
  std::size_t processes_ = 0;
  double first_s_ = 0;
  double last_s_ = 0;
  double before_s_ = 0;
  bool first_look_ = true;
};

}  // namespace demo
