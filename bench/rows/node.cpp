#include <sluice/sluice.hpp>

#include "rows/limit_runs.hpp"
#include "rows/node_links.hpp"
#include "rows/rows.hpp"
#include "rows/topic_runs.hpp"

namespace sluice::bench {

namespace {

/// As stream_batches wants it; a batch of T lies in one piece.
class BatchPublisherLink {
 public:
  BatchPublisherLink(Node& node, const char* topic) : publisher_(node.advertise<NodeMessage>(topic)) {}
  void send_batch(std::span<const std::span<const std::byte>> payloads) {
    const std::span messages(reinterpret_cast<const NodeMessage*>(payloads.front().data()), payloads.size());
    if (publisher_.publish_batch(messages).result != PublishResult::ok) throw RunFailed("a publication was refused");
  }

 private:
  Publisher<NodeMessage> publisher_;
};

class BatchSubscriptionLink {
 public:
  BatchSubscriptionLink(Node& node, const char* topic, std::size_t batch)
      : subscription_(node.subscribe<NodeMessage>(topic)), taken_(batch) {}
  [[nodiscard]] std::optional<std::uint64_t> try_receive() {
    if (next_ == count_) {
      next_ = 0;
      count_ = subscription_.take_batch(taken_);
      if (count_ == 0) return std::nullopt;
    }
    return number_of(taken_[next_++]);
  }

 private:
  Subscription<NodeMessage> subscription_;
  std::vector<NodeMessage> taken_;
  std::size_t next_ = 0;
  std::size_t count_ = 0;
};

Outcome node_throughput(std::uint64_t messages, bool timestamps) {
  const Workplace place;
  return run_two_sides(
      Placement::processes,
      [&](Meeting& meeting) {
        Node node("sender", node_options(place, timestamps));
        PublisherLink out(node, "data");
        stream(meeting, out, messages, 64);
      },
      [&](Meeting& meeting) {
        Node node("receiver", node_options(place, timestamps));
        SubscriptionLink in(node, "data");
        drain(meeting, in, messages, true);
      });
}

Outcome node_batch_throughput(std::uint64_t messages, std::size_t batch) {
  const Workplace place;
  return run_two_sides(
      Placement::processes,
      [&](Meeting& meeting) {
        Node node("sender", node_options(place, true));
        BatchPublisherLink out(node, "data");
        stream_batches(meeting, out, messages, sizeof(NodeMessage), batch);
      },
      [&](Meeting& meeting) {
        Node node("receiver", node_options(place, true));
        BatchSubscriptionLink in(node, "data", batch);
        drain(meeting, in, messages, true);
      });
}

}  // namespace

void add_node_rows(Rows& rows, Effort effort) {
  const RoundTrips trips = effort.round_trips(100'000);
  const RoundTrips sleeping = effort.round_trips(4'000);
  const auto plugin = [=] { return topic_latency(Topics::Kind::reliable, trips, By::copy, 64, Waiting::spinning); };
  const auto latency = [&](const char* name, bool timestamps, std::optional<double> goal) {
    rows.push_back({"nodes, latency of 64 B", name, "plugin interface", Unit::half_round_trip_ns, plugin,
                    [=] { return node_round_trips<SubscriptionLink>(trips, timestamps); }, goal});
  };
  latency("take, timestamps: off", false, 1.3);
  latency("take, timestamps: on", true, {});
  rows.push_back({"nodes, latency of 64 B",
                  "callback in an executor, asleep",
                  "futex",
                  Unit::half_round_trip_ns,
                  [=] { return futex_latency(sleeping); },
                  [=] { return node_round_trips<CallbackLink>(sleeping, true); },
                  {}});
  const std::uint64_t messages = effort.of(1'000'000);
  const auto throughput = [&](const char* name, bool timestamps) {
    rows.push_back({"nodes, throughput of 64 B",
                    name,
                    "plugin interface",
                    Unit::million_per_second,
                    [=] { return topic_throughput(Topics::Kind::reliable, messages, 64); },
                    [=] { return node_throughput(messages, timestamps); },
                    {}});
  };
  throughput("take, timestamps: off", false);
  throughput("take, timestamps: on", true);
  const auto batches = [&](const char* name, std::size_t batch) {
    rows.push_back({"nodes, throughput of 64 B",
                    name,
                    "plugin interface",
                    Unit::million_per_second,
                    [=] { return topic_throughput(Topics::Kind::reliable, messages, 64); },
                    [=] { return node_batch_throughput(messages, batch); },
                    {}});
  };
  batches("batches of 8, timestamps: on", 8);
  batches("batches of 64, timestamps: on", 64);
}

}  // namespace sluice::bench
