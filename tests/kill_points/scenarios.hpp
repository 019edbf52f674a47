#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace sluice::kill_points {

/// What is killed in: a topic of Sluice's own, or a segment as SlickQueue programs share it.
enum class World : unsigned { reliable = 1, best_effort = 2, raw = 4, raw_reliable = 8 };
inline constexpr std::array kWorlds{World::reliable, World::best_effort, World::raw, World::raw_reliable};
inline constexpr unsigned kTopics = 1 | 2;

[[nodiscard]] constexpr bool is_raw(World world) { return world == World::raw || world == World::raw_reliable; }

[[nodiscard]] std::string name_of(World world);

enum class Fate {
  kill,
  stop,           ///< Stopped there, continued when the others have gone on for more than a lap.
  stop_and_kill,  ///< Stopped there, killed when the others have gone on for more than a lap.
  stop_briefly,   ///< Publishers: continued when its position was given up, but before a lap is over.
};
inline constexpr std::array kFates{Fate::kill, Fate::stop, Fate::stop_and_kill, Fate::stop_briefly};

/// What the victim does.
enum class Role {
  publisher,
  subscriber,
  publishers,   ///< One after the other: opens, sends some messages, closes.
  subscribers,  ///< Likewise.
  sweeper,      ///< Removes what the dead left.
  member,       ///< Of a group.
  members,      ///< One after the other.
};

/// Somebody else's misfortune that brings the victim to the point; repeated until it does.
enum class Provocation {
  none,
  publisher_dies,
  publisher_stops,
  publisher_stops_copying,
  subscriber_dies,
  subscriber_stops,
  holder_dies,  ///< A subscriber that has just taken a chunk.
  loaner_dies,  ///< A publisher that has filled a chunk.
  member_dies,  ///< Of the group, with a claim.
  member_stops,
};

/// How the messages travel.
enum class Payload {
  cells,
  chunks,      ///< Most of them in chunks, of which there are some to spare.
  few_chunks,  ///< The same, and the publishers run out of chunks now and then.
};

struct Target {
  std::string point;
  std::uint32_t most_hits = 1;    ///< The victim gets there at least this often.
  bool holds_up_opening = false;  ///< Stopped here it keeps others from opening the topic, as PROTOCOL.md says.
};

/// A way to bring a process to some points, with a publisher and a subscriber that nobody touches beside it.
struct Scenario {
  std::string name;
  unsigned worlds = kTopics;
  Role role = Role::publishers;
  std::string before{};  ///< Steps of the victim's plan before it may reach the point: "slick.reserve.granted:1:stop,".
  Provocation provocation = Provocation::none;
  bool provoker_goes_first = false;  ///< Stopped, it is continued before the victim.
  Payload payload = Payload::cells;
  bool batches = false;       ///< All publishers but the untouched one send several messages at once.
  std::uint32_t history = 0;  ///< Subscriptions ask for so many old messages.
  bool group = false;         ///< There is a group, with a member that nobody touches,
  bool only_member = false;   ///< or without.
  bool alone = false;         ///< The untouched two come after the victim met its fate.
  bool leftover = false;      ///< The victim finds what somebody else left.
  std::vector<Target> targets{};
};

/// Those of topics and segments. The second part is of the file pool_scenarios.cpp: chunks, batches, history, groups.
[[nodiscard]] const std::vector<Scenario>& scenarios();
[[nodiscard]] std::vector<Scenario> pool_scenarios();

/// Points of the control plane, which has its own kind of case.
struct ControlTarget {
  std::string point;
  std::uint32_t most_hits = 1;
  bool leftover = false;  ///< Reached when there is a dead process's record to remove.
  bool alone = false;     ///< Reached when nobody else is in the domain.
};
[[nodiscard]] const std::vector<ControlTarget>& control_targets();

}  // namespace sluice::kill_points
