#include <sluice/sluice.hpp>

#include <array>

#include "rows/limit_runs.hpp"
#include "rows/rows.hpp"
#include "rows/topic_runs.hpp"

namespace sluice::bench {

struct NodeMessage {
  std::array<std::byte, 64> bytes;
};

namespace {

NodeOptions options_for(const Workplace& place, bool timestamps) {
  NodeOptions options;
  const std::string text =
      "runtime_dir: " + place.directory() + "\ntopics:\n  /**: {depth: 256, reliability: reliable, " +
      "max_size: 64, max_blocking_time: 20s, timestamps: " + (timestamps ? "true" : "false") + "}\n";
  options.config = Config::parse(text, "bench");
  options.handle_signals = false;
  return options;
}

class PublisherLink {
 public:
  PublisherLink(Node& node, const char* topic) : publisher_(node.advertise<NodeMessage>(topic)) {}
  void send_copy(std::span<const std::byte> payload) {
    std::memcpy(message_.bytes.data(), payload.data(), message_.bytes.size());
    if (publisher_.publish(message_) != PublishResult::ok) throw RunFailed("a publication was refused");
  }

 private:
  Publisher<NodeMessage> publisher_;
  NodeMessage message_{};
};

class SubscriptionLink {
 public:
  SubscriptionLink(Node& node, const char* topic) : subscription_(node.subscribe<NodeMessage>(topic)) {}
  [[nodiscard]] std::optional<std::uint64_t> try_receive() {
    const auto message = subscription_.take();
    if (!message) return std::nullopt;
    return read_every_line((*message)->bytes.data(), (*message)->bytes.size());
  }

 private:
  Subscription<NodeMessage> subscription_;
};

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
    const NodeMessage& message = taken_[next_++];
    return read_every_line(message.bytes.data(), message.bytes.size());
  }

 private:
  Subscription<NodeMessage> subscription_;
  std::vector<NodeMessage> taken_;
  std::size_t next_ = 0;
  std::size_t count_ = 0;
};

/// The callback runs in an executor, which sleeps in between.
class CallbackLink {
 public:
  CallbackLink(Node& node, const char* topic)
      : subscription_(node.subscribe<NodeMessage>(topic, [this](const NodeMessage& message) {
          number_ = read_every_line(message.bytes.data(), message.bytes.size());
        })) {
    executor_.add(node);
  }
  [[nodiscard]] std::optional<std::uint64_t> try_receive() {
    number_.reset();
    executor_.spin_once(std::chrono::seconds{1});
    return number_;
  }

 private:
  std::optional<std::uint64_t> number_;
  Subscription<NodeMessage> subscription_;
  Executor executor_;
};

template <typename In>
Outcome node_latency(RoundTrips trips, bool timestamps) {
  const Workplace place;
  return run_two_sides(
      Placement::processes,
      [&](Meeting& meeting) {
        Node node("ping", options_for(place, timestamps));
        PublisherLink out(node, "ping");
        In in(node, "pong");
        ping(meeting, out, in, trips, By::copy, 64);
      },
      [&](Meeting& meeting) {
        Node node("pong", options_for(place, timestamps));
        PublisherLink out(node, "pong");
        In in(node, "ping");
        pong(meeting, in, out, trips, By::copy, 64);
      });
}

Outcome node_throughput(std::uint64_t messages, bool timestamps) {
  const Workplace place;
  return run_two_sides(
      Placement::processes,
      [&](Meeting& meeting) {
        Node node("sender", options_for(place, timestamps));
        PublisherLink out(node, "data");
        stream(meeting, out, messages, 64);
      },
      [&](Meeting& meeting) {
        Node node("receiver", options_for(place, timestamps));
        SubscriptionLink in(node, "data");
        drain(meeting, in, messages, true);
      });
}

Outcome node_batch_throughput(std::uint64_t messages, std::size_t batch) {
  const Workplace place;
  return run_two_sides(
      Placement::processes,
      [&](Meeting& meeting) {
        Node node("sender", options_for(place, true));
        BatchPublisherLink out(node, "data");
        stream_batches(meeting, out, messages, sizeof(NodeMessage), batch);
      },
      [&](Meeting& meeting) {
        Node node("receiver", options_for(place, true));
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
                    [=] { return node_latency<SubscriptionLink>(trips, timestamps); }, goal});
  };
  latency("take, timestamps: off", false, 1.3);
  latency("take, timestamps: on", true, {});
  rows.push_back({"nodes, latency of 64 B",
                  "callback in an executor, asleep",
                  "futex",
                  Unit::half_round_trip_ns,
                  [=] { return futex_latency(sleeping); },
                  [=] { return node_latency<CallbackLink>(sleeping, true); },
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
