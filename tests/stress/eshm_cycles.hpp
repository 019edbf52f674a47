#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <sluice/eshm/channel.hpp>

#include "stress/stress_support.hpp"

namespace sluice::stress {

/// What happens to one side of a channel again and again.
enum class CycleWay {
  takeover,     ///< The master is killed; the next one continues its segment.
  new_segment,  ///< The master leaves in order; the next one makes a segment.
  slave,        ///< The slave is killed; the next one takes its place.
};

[[nodiscard]] std::string name_of(CycleWay way);

inline constexpr std::size_t kMostLives = 4096;

/// One process in the place that is killed and taken again. Times are of CLOCK_MONOTONIC; 0: not yet.
struct Life {
  Word began;      ///< It begins to open its channel.
  Word begun;      ///< Writes, stored before the call.
  Word completed;  ///< Writes, stored after it.
  Word received;   ///< Messages of the survivor.
  Word first_ns;   ///< The survivor received its first message then.
};

/// What the processes of a campaign share beside the channel.
struct Cycles {
  Word stop_life;      ///< The one that may be killed leaves in order.
  Word stop_survivor;  ///< The other one ends.
  Word survivor_open;
  Word noticed_ns;   ///< When the survivor's on_stale was called last.
  Word back_ns;      ///< When its on_connect or on_reconnect was called last.
  Word generation;   ///< What its on_takeover said last.
  Word torn;         ///< Messages with a wrong checksum or length, on either side.
  Word disorder;     ///< Numbers that did not rise, on either side.
  Word received;     ///< The survivor's books, at its end.
  Word conflated;    ///< Likewise.
  Word descriptors;  ///< How many more it has at its end than after its first message.
  Word mappings;     ///< Of the channel, at its end.
  std::array<Life, kMostLives> lives;
};

/// A process that writes and reads until it is killed, or told to stop.
int live(const std::string& name, CycleWay way, Cycles& cycles, std::size_t index);

/// The process on the other side, from the beginning to the end of the campaign.
int survive(const std::string& name, CycleWay way, Cycles& cycles);

/// What took how long, in nanoseconds.
struct CycleTimes {
  std::vector<std::int64_t> noticed_death;  ///< From SIGKILL, or the order to leave, to on_stale.
  std::vector<std::int64_t> noticed_stop;   ///< From SIGSTOP to on_stale.
  std::vector<std::int64_t> back;           ///< From the next one's beginning to on_reconnect.
  std::vector<std::int64_t> first_message;  ///< From the next one's beginning to its first message.
};

}  // namespace sluice::stress
