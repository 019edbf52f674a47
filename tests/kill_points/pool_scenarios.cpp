// Chunks, batches, history and groups.

#include "kill_points/scenarios.hpp"

namespace sluice::kill_points {

namespace {

constexpr unsigned kReliable = static_cast<unsigned>(World::reliable);
constexpr unsigned kBestEffort = static_cast<unsigned>(World::best_effort);

const std::vector<Target> kHolds{{"slick.hold.wanted", 30},
                                 {"slick.hold.stored", 30},
                                 {"slick.hold.checked", 30},
                                 {"slick.hold.passed", 30},
                                 {"slick.hold.released", 30}};

void add_chunks(std::vector<Scenario>& list) {
  list.push_back({.name = "publishers of long messages come and go",
                  .role = Role::publishers,
                  .payload = Payload::chunks,
                  .targets = {{"slick.writer.loans_back", 3},
                              {"slick.chunk.lent", 20},
                              {"slick.publish.half", 20},
                              {"slick.publish.copied", 20},
                              {"slick.chunk.filled", 20},
                              {"slick.reserve.intent", 20},
                              {"slick.reserve.granted", 20},
                              {"slick.publish.header", 20},
                              {"slick.chunk.published", 20},
                              {"slick.commit.stamped", 20},
                              {"slick.commit.idle", 20},
                              {"slick.horizon.raised", 5}}});
  list.push_back({.name = "subscribers to long messages come and go",
                  .role = Role::subscribers,
                  .payload = Payload::chunks,
                  .targets = kHolds});
  list.push_back({.name = "publishers of long messages are short of chunks",
                  .role = Role::publishers,
                  .payload = Payload::few_chunks,
                  .targets = {{"slick.chunk.lent", 20}, {"slick.chunk.filled", 20}, {"slick.chunk.published", 20}}});
  list.push_back({.name = "a publisher of long messages that was given up goes on",
                  .role = Role::publisher,
                  .before = "slick.reserve.granted:5:stop,",
                  .payload = Payload::chunks,
                  .targets = {{"slick.publish.header"},
                              {"slick.chunk.published"},
                              {"slick.commit.stamped"},
                              {"slick.commit.fenced"},
                              {"slick.commit.withdrawn"},
                              {"slick.commit.idle"}}});
  list.push_back({.name = "a publisher needs the chunks of a dead subscriber",
                  .worlds = kBestEffort,
                  .role = Role::publisher,
                  .provocation = Provocation::holder_dies,
                  .payload = Payload::few_chunks,
                  .targets = {{"slick.reclaim.locked"},
                              {"slick.reclaim.holds_cleared"},
                              {"slick.reclaim.claims_orphaned"},
                              {"slick.reclaim.freed"},
                              {"slick.reclaim.unlocked"}}});
  list.push_back({.name = "a publisher needs the chunks of a dead publisher",
                  .worlds = kBestEffort,
                  .role = Role::publisher,
                  .provocation = Provocation::loaner_dies,
                  .payload = Payload::few_chunks,
                  .targets = {{"slick.reclaim.record_cleared"}, {"slick.reclaim.loans_back"}}});
  list.push_back({.name = "a publisher waits for a dead subscriber with a chunk",
                  .worlds = kReliable,
                  .role = Role::publisher,
                  .provocation = Provocation::holder_dies,
                  .payload = Payload::chunks,
                  .targets = {{"slick.reclaim.holds_cleared"}, {"slick.reclaim.freed"}}});
  list.push_back({.name = "a subscriber that was lapped before it held a chunk goes on",
                  .role = Role::subscriber,
                  .before = "slick.hold.wanted:3:stop,",
                  .payload = Payload::chunks,
                  .targets = {{"slick.hold.stored"}, {"slick.hold.checked"}, {"slick.hold.released"}}});
  list.push_back({.name = "a subscriber that was lapped while it held a chunk goes on",
                  .role = Role::subscriber,
                  .before = "slick.hold.passed:3:stop,",
                  .payload = Payload::chunks,
                  .targets = {{"slick.hold.released"}, {"slick.hold.wanted"}}});
}

void add_batches(std::vector<Scenario>& list) {
  list.push_back({.name = "publishers of batches come and go",
                  .role = Role::publishers,
                  .batches = true,
                  .targets = {{"slick.reserve.intent", 30},
                              {"slick.reserve.granted", 30},
                              {"slick.publish.header", 30},
                              {"slick.publish.half", 30},
                              {"slick.publish.copied", 30},
                              {"slick.commit.stamped", 30},
                              {"slick.commit.idle", 30}}});
  list.push_back({.name = "publishers of batches of short and long messages come and go",
                  .role = Role::publishers,
                  .payload = Payload::chunks,
                  .batches = true,
                  .targets = {{"slick.chunk.published", 10}, {"slick.commit.stamped", 20}}});
  list.push_back(
      {.name = "a publisher that was given up in the middle of a batch goes on",
       .role = Role::publisher,
       .before = "slick.publish.copied:8:stop,",
       .batches = true,
       .targets = {
           {"slick.commit.stamped"}, {"slick.commit.fenced"}, {"slick.commit.withdrawn"}, {"slick.commit.idle"}}});
  list.push_back({.name = "a subscriber repairs the holes of a batch",
                  .role = Role::subscriber,
                  .provocation = Provocation::publisher_dies,
                  .batches = true,
                  .targets = {{"slick.repair.begun", 2},
                              {"slick.fence.fenced", 2},
                              {"slick.repair.fenced", 2},
                              {"slick.repair.done", 2}}});
  list.push_back({.name = "a publisher of batches meets the cells of a stopped one",
                  .role = Role::publisher,
                  .provocation = Provocation::publisher_stops_copying,
                  .batches = true,
                  .targets = {{"slick.reserve.jump_left", 2}, {"slick.reserve.jump_passed", 2}}});
}

void add_history(std::vector<Scenario>& list) {
  for (const Payload payload : {Payload::cells, Payload::chunks}) {
    list.push_back({.name = payload == Payload::cells ? "late joiners want history" : "late joiners want long history",
                    .role = Role::subscribers,
                    .payload = payload,
                    .history = 3,
                    .targets = {{"slick.join.announced", 3}, {"slick.join.active", 3}, {"slick.join.joined", 3}}});
    list.push_back(
        {.name = payload == Payload::cells ? "a joiner of history goes on" : "a joiner of long history goes on",
         .role = Role::subscriber,
         .before = "slick.join.announced:1:stop,",
         .payload = payload,
         .history = 3,
         .targets = {{"slick.join.active"}, {"slick.join.joined"}}});
  }
}

void add_groups(std::vector<Scenario>& list) {
  Scenario members{.name = "members of a group come and go",
                   .role = Role::members,
                   .payload = Payload::chunks,
                   .group = true,
                   .targets = kHolds};
  // Those that a member does not come to: it has no cursor of its own.
  std::erase_if(members.targets, [](const Target& target) {
    return target.point == "slick.hold.checked" || target.point == "slick.hold.passed";
  });
  for (const Target& target : std::vector<Target>{{"slick.reader.claims_orphaned", 3},
                                                  {"slick.group.locked", 3},
                                                  {"slick.group.entering", 3},
                                                  {"slick.join.active", 3},
                                                  {"slick.group.claimed", 20},
                                                  {"slick.group.next_moved", 20},
                                                  {"slick.group.done", 20},
                                                  {"slick.group.advanced", 20},
                                                  {"slick.group.armed", 3},
                                                  {"slick.group.leaving", 3}}) {
    members.targets.push_back(target);
  }
  list.push_back(members);
  list.push_back({.name = "the only member of a group comes and goes",
                  .role = Role::members,
                  .payload = Payload::chunks,
                  .group = true,
                  .only_member = true,
                  .targets = {{"slick.group.announced", 3},
                              {"slick.group.live", 3},
                              {"slick.group.begun", 3},
                              {"slick.group.entering", 3},
                              {"slick.group.claimed", 3},
                              {"slick.group.leaving", 3},
                              {"slick.group.ended", 3}}});
  list.push_back({.name = "a member takes over what a dead one had",
                  .role = Role::member,
                  .provocation = Provocation::member_dies,
                  .payload = Payload::chunks,
                  .group = true,
                  .targets = {{"slick.reclaim.holds_cleared"},
                              {"slick.group.orphaned"},
                              {"slick.reclaim.claims_orphaned"},
                              {"slick.group.taken_over"}}});
  list.push_back(
      {.name = "an evicted member enters again",
       .worlds = kReliable,
       .role = Role::member,
       .before = "slick.group.claimed:3:stop,",
       .payload = Payload::chunks,
       .group = true,
       .targets = {
           {"slick.group.reentering"}, {"slick.group.entering"}, {"slick.join.active"}, {"slick.group.claimed"}}});
  list.push_back({.name = "a publisher evicts a stopped member",
                  .worlds = kReliable,
                  .role = Role::publisher,
                  .provocation = Provocation::member_stops,
                  .payload = Payload::chunks,
                  .group = true,
                  .targets = {{"slick.evict.decided"}, {"slick.group.evicting"}}});
  list.push_back({.name = "a publisher ends a deserted group",
                  .worlds = kReliable,
                  .role = Role::publisher,
                  .provocation = Provocation::member_dies,
                  .payload = Payload::cells,
                  .group = true,
                  .only_member = true,
                  .targets = {{"slick.group.orphaned"}, {"slick.reclaim.claims_orphaned"}, {"slick.group.ended"}}});
}

}  // namespace

std::vector<Scenario> pool_scenarios() {
  std::vector<Scenario> list;
  add_chunks(list);
  add_batches(list);
  add_history(list);
  add_groups(list);
  return list;
}

}  // namespace sluice::kill_points
