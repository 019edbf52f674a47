#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <sluice/transport.hpp>

#include "stress/topic_messages.hpp"

namespace sluice::stress {

using Count = shm::SharedAtomic<std::uint64_t>;

/// What publishers did on a topic, message by message. `begun` before a call, the others after it.
struct TopicLog {
  TopicLog(std::uint64_t publishers, std::uint64_t messages)
      : begun(publishers, messages), sent(publishers, messages), uncertain(publishers, messages) {}
  MessageSet begun;
  MessageSet sent;
  MessageSet uncertain;
};

/// What one process says to the one that started it, and that one to it.
struct ProcessLog {
  Count stop;   ///< Publishers: end. Subscriptions: take everything that there is, and end.
  Count alive;  ///< It has its endpoint.
  Count progress;
  Count refused;  ///< Publications that found no room or no chunk.
  // A subscription that ended in order:
  Count ended;
  Count joined;
  Count reserved;
  Count received;
  Count redelivered;
  Count lost;
  Count skipped;
  Count evictions;
};

/// A topic under stress, as all processes know it.
struct Traffic {
  TopicSpec spec;  ///< Without the group.
  std::string directory;
  mutable TopicLog log;
  std::uint64_t seed = 1;
  std::uint64_t pause_us = 0;  ///< The longest of publishers between two calls.
  std::size_t max_loans = 2;   ///< As in the specification's options.
  bool nobody_dies = true;     ///< Then nothing may be missing on a reliable topic, and nothing comes twice.
  Count* go = nullptr;         ///< Publishers begin.
  Count* faults = nullptr;

  void fault(const std::string& what) const;
  [[nodiscard]] bool reliable() const { return spec.qos.reliability == Reliability::reliable; }
  [[nodiscard]] TransportContext context() const { return {directory, {}, {}}; }
};

/// Publishes by copy, by loan and in batches, keeps loans for a while and drops some, until it is told to stop or
/// `messages` are sent. The exit code.
int publish_messages(const Traffic& traffic, ProcessLog& log, std::uint64_t messages, std::uint64_t seed);

/// What a subscription is.
struct Subscriber {
  MessageSet received;  ///< Shared by the members of a group.
  std::string group = {};
  bool comes_and_goes = false;  ///< Leaves now and then, and joins again, with history if the topic has any.
};

/// Takes messages, holds some of them for a while in a random order, looks at each twice, and at its books all the
/// time. The exit code.
int receive_messages(const Traffic& traffic, ProcessLog& log, Subscriber subscriber, std::uint64_t seed);

}  // namespace sluice::stress
