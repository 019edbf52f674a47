#pragma once

#include <array>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>

#include <sluice/sluice.hpp>

#include "rows/limit_runs.hpp"
#include "rows/links.hpp"

namespace sluice::bench {

/// What nodes send each other in the rows.
struct NodeMessage {
  std::array<std::byte, 64> bytes;
};

[[nodiscard]] inline std::uint64_t number_of(const NodeMessage& message) {
  return read_every_line(message.bytes.data(), message.bytes.size());
}

[[nodiscard]] inline NodeOptions node_options(const Workplace& place, bool timestamps) {
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

/// Takes, spinning.
class SubscriptionLink {
 public:
  SubscriptionLink(Node& node, const char* topic) : in_(node.subscribe<NodeMessage>(topic)) {}
  [[nodiscard]] std::optional<std::uint64_t> try_receive() {
    const auto message = in_.take();
    return message ? std::optional(number_of(**message)) : std::nullopt;
  }

 protected:
  Subscription<NodeMessage> in_;
};

/// The callback runs in an executor, which sleeps in between.
class CallbackLink {
 public:
  CallbackLink(Node& node, const char* topic)
      : in_(node.subscribe<NodeMessage>(topic, [this](const NodeMessage& message) { number_ = number_of(message); })) {
    executor_.add(node);
  }
  [[nodiscard]] std::optional<std::uint64_t> try_receive() {
    number_.reset();
    executor_.spin_once(std::chrono::seconds{1});
    return number_;
  }

 private:
  std::optional<std::uint64_t> number_;
  Subscription<NodeMessage> in_;
  Executor executor_;
};

/// Round trips between two nodes, in two processes, whose links wait as `In` does.
template <typename In>
Outcome node_round_trips(RoundTrips trips, bool timestamps) {
  const Workplace place;
  return run_two_sides(
      Placement::processes,
      [&](Meeting& meeting) {
        Node node("ping", node_options(place, timestamps));
        PublisherLink out(node, "ping");
        In in(node, "pong");
        ping(meeting, out, in, trips, By::copy, 64);
      },
      [&](Meeting& meeting) {
        Node node("pong", node_options(place, timestamps));
        PublisherLink out(node, "pong");
        In in(node, "ping");
        pong(meeting, in, out, trips, By::copy, 64);
      });
}

}  // namespace sluice::bench
