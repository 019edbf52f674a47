#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace sluice {

/// What happens when a reader is slower than the publishers.
enum class Reliability : std::uint8_t {
  best_effort,  ///< Publishing never waits; a reader that is too slow loses the oldest messages, and they are counted.
  reliable,     ///< Publishing waits for the slowest reader, at most `max_blocking_time`; nothing is lost.
};

/// What a reader that joins late receives.
enum class Durability : std::uint8_t {
  volatile_,        ///< A reader receives what is published after it joined.
  transient_local,  ///< A late joiner first receives the last `history` messages.
};

/// The quality of service of a topic, in the words of DDS and ROS 2. It belongs to the topic, not to its endpoints.
struct QoS {
  Reliability reliability = Reliability::best_effort;        ///< Who waits, or who loses.
  std::uint32_t depth = 16;                                  ///< Messages that are kept for a reader that is behind.
  Durability durability = Durability::volatile_;             ///< Whether late joiners get old messages.
  std::uint32_t history = 0;                                 ///< Messages for a late joiner; only with transient_local.
  std::optional<std::chrono::nanoseconds> deadline;          ///< Longest expected time between two messages.
  std::optional<std::chrono::nanoseconds> liveliness_lease;  ///< A silent publisher counts as late after this time.
  std::chrono::nanoseconds max_blocking_time = std::chrono::milliseconds{100};  ///< reliable: then publish times out.

  friend bool operator==(const QoS&, const QoS&) = default;
};

}  // namespace sluice
