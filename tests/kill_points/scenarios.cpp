#include "kill_points/scenarios.hpp"

namespace sluice::kill_points {

std::string name_of(World world) {
  switch (world) {
    case World::reliable: return "reliable";
    case World::best_effort: return "best_effort";
    case World::raw: return "raw";
    case World::raw_reliable: return "raw_reliable";
  }
  return "?";
}

namespace {

constexpr unsigned kReliable = static_cast<unsigned>(World::reliable);
constexpr unsigned kRawBestEffort = static_cast<unsigned>(World::raw);
constexpr unsigned kRawReliable = static_cast<unsigned>(World::raw_reliable);
constexpr unsigned kRaw = kRawBestEffort | kRawReliable;

Scenario publishers() {
  return {.name = "publishers come and go",
          .role = Role::publishers,
          .targets = {
              {"slick.open.attached", 3},
              {"slick.open.shared", 3},
              {"slick.agree.locked", 3},
              {"slick.agree.type_written"},
              {"slick.agree.type_known"},
              {"slick.agree.unlocked", 3},
              {"slick.writer.locked", 3},
              {"slick.writer.counted", 3},
              {"slick.writer.record_cleared", 3},
              {"slick.writer.loans_back", 3},
              {"slick.writer.identity_taken", 3},
              {"slick.writer.described", 3},
              {"slick.writer.active", 3},
              {"slick.books.opened", 5},
              {"slick.books.written", 5},
              {"slick.reserve.intent", 100},
              {"slick.reserve.granted", 100},
              {"slick.publish.header", 100},
              {"slick.publish.half", 100},
              {"slick.publish.copied", 100},
              {"slick.commit.stamped", 100},
              {"slick.commit.idle", 100},
              {"doorbell.cleared", 5},
              {"doorbell.rung", 5},
              {"slick.horizon.decided", 5},
              {"slick.horizon.raised", 5},
              {"slick.writer.leaving", 3},
              {"slick.writer.left_idle", 3},
              {"slick.writer.freed", 3},
              {"slick.close.unlocked", 3},
          }};
}

Scenario subscribers() {
  return {.name = "subscribers come and go",
          .role = Role::subscribers,
          .targets = {
              {"slick.open.shared", 3},
              {"slick.reader.locked", 3},
              {"slick.reader.counted", 3},
              {"slick.reader.holds_cleared", 3},
              {"slick.reader.claims_orphaned", 3},
              {"slick.join.announced", 3},
              {"slick.join.active", 3},
              {"slick.join.joined", 3},
              {"slick.books.opened", 5},
              {"slick.books.written", 5},
              {"slick.doorbell.armed", 5},
              {"slick.reader.leaving", 3},
              {"slick.reader.freed", 3},
              {"slick.close.unlocked", 3},
          }};
}

Scenario creator() {
  return {.name = "the first one, who is also the last",
          .role = Role::publishers,
          .alone = true,
          .targets = {
              {"segment.opened", 3},
              {"segment.sized", 3},
              {"segment.reserved", 3},
              {"segment.headed", 3},
              {"slick.agree.type_written", 3},
              {"slick.agree.type_known", 3},
              {"slick.create.filled", 3},
              {"slick.create.locked", 3},
              {"segment.linked", 3},
              {"slick.close.unlocked", 3},
              {"slick.close.alone", 3, true},
              {"slick.close.unlinked", 3},
          }};
}

Scenario raw_producers() {
  return {.name = "producers come and go",
          .worlds = kRaw,
          .role = Role::publishers,
          .targets = {
              {"raw.writer.active", 3},
              {"raw.publish.owned", 100},
              {"raw.publish.half", 100},
              {"raw.publish.copied", 100},
              {"ring.publish.sized", 100},
              {"ring.publish.published", 100},
              {"ring.publish.told_last", 100},
              {"raw.writer.freed", 3},
          }};
}

Scenario raw_creator() {
  return {.name = "the first one makes the segment",
          .worlds = kRaw,
          .role = Role::publishers,
          .alone = true,
          .targets = {
              {"segment.opened"},
              {"segment.sized"},
              {"segment.reserved"},
              {"ring.create.begun"},
              {"ring.create.filled"},
              {"ring.create.ready"},
              {"segment.linked"},
          }};
}

std::vector<Scenario> all() {
  std::vector<Scenario> list{publishers(), subscribers(), creator(), raw_producers(), raw_creator()};
  list.push_back({.name = "a producer wraps around",
                  .worlds = kRaw,
                  .role = Role::publisher,
                  .targets = {{"ring.reserve.marker_sized"}, {"ring.reserve.marked"}}});
  list.push_back({.name = "a producer waits for nobody",
                  .worlds = kRawBestEffort,
                  .role = Role::publishers,
                  .targets = {{"ring.reserve.granted_one", 10}, {"ring.reserve.granted_several", 50}}});
  list.push_back(
      {.name = "a producer waits for its turn",
       .worlds = kRawReliable,
       .role = Role::publishers,
       .targets = {{"raw.reserve.intent", 100}, {"ring.reserve.granted_at", 100}, {"raw.commit.idle", 100}}});
  list.push_back({.name = "a raw subscriber goes to sleep",
                  .worlds = kRaw,
                  .role = Role::subscribers,
                  .targets = {{"raw.doorbell.armed", 3}}});
  list.push_back({.name = "a subscriber repairs a dead producer's hole",
                  .worlds = kRaw,
                  .role = Role::subscriber,
                  .provocation = Provocation::publisher_dies,
                  .targets = {{"raw.repair.tail"}, {"raw.repair.message"}, {"raw.repair.entry_cleared"}}});
  list.push_back({.name = "a subscriber remembers where a reliable producer died",
                  .worlds = kRawReliable,
                  .role = Role::subscriber,
                  .provocation = Provocation::publisher_dies,
                  .targets = {{"raw.repair.remembered"}}});
  list.push_back({.name = "somebody adopts a segment of 1.2.x",
                  .worlds = kRaw,
                  .role = Role::publishers,
                  .alone = true,
                  .leftover = true,
                  .targets = {{"ring.adopt.done"}}});
  list.push_back({.name = "publishers find no room",
                  .worlds = kReliable,
                  .role = Role::publishers,
                  .targets = {{"slick.space.armed", 3}}});
  list.push_back({.name = "subscribers make room",
                  .worlds = kReliable,
                  .role = Role::subscribers,
                  .targets = {{"slick.cursor.published", 20}, {"doorbell.cleared", 3}, {"doorbell.rung", 3}}});
  list.push_back({.name = "an heir opens what the dead left",
                  .role = Role::publishers,
                  .alone = true,
                  .leftover = true,
                  .targets = {{"slick.open.attached"}, {"slick.open.alone", 1, true}, {"slick.open.unlinked"}}});
  list.push_back({.name = "a sweeper removes what the dead left",
                  .role = Role::sweeper,
                  .alone = true,
                  .leftover = true,
                  .targets = {{"segment.dead.locked", 1, true}, {"segment.dead.unlinked"}}});
  list.push_back({.name = "a subscriber repairs a dead publisher's hole",
                  .role = Role::subscriber,
                  .provocation = Provocation::publisher_dies,
                  .targets = {{"slick.repair.begun", 2},
                              {"slick.fence.fenced", 2},
                              {"slick.fence.epoch_raised", 2},
                              {"slick.repair.fenced", 2},
                              {"slick.repair.done", 2}}});
  list.push_back({.name = "a publisher moves the horizon past a stopped one",
                  .role = Role::publisher,
                  .provocation = Provocation::publisher_stops,
                  .targets = {{"slick.fence.fenced"}, {"slick.fence.epoch_raised"}, {"slick.horizon.decided", 20}}});
  list.push_back({.name = "a publisher moves the horizon past one that is stopped in its copy",
                  .worlds = static_cast<unsigned>(World::best_effort),
                  .role = Role::publisher,
                  .provocation = Provocation::publisher_stops_copying,
                  .targets = {{"slick.fence.fenced"}, {"slick.fence.epoch_raised"}}});
  list.push_back({.name = "a subscriber gives up a stopped publisher",
                  .worlds = kReliable,
                  .role = Role::subscriber,
                  .provocation = Provocation::publisher_stops_copying,
                  .targets = {{"slick.repair.begun"},
                              {"slick.fence.fenced"},
                              {"slick.fence.epoch_raised"},
                              {"slick.repair.fenced"},
                              {"slick.repair.done"}}});
  list.push_back({.name = "a publisher meets the cell of a stopped one",
                  .role = Role::publisher,
                  .provocation = Provocation::publisher_stops_copying,
                  .targets = {{"slick.reserve.jump_left", 2}, {"slick.reserve.jump_passed", 2}}});
  list.push_back({.name = "a publisher reclaims a dead one's entry",
                  .role = Role::publisher,
                  .provocation = Provocation::publisher_dies,
                  .targets = {{"slick.reclaim.locked"},
                              {"slick.reclaim.record_cleared"},
                              {"slick.reclaim.loans_back"},
                              {"slick.reclaim.freed"},
                              {"slick.reclaim.unlocked"}}});
  list.push_back({.name = "a publisher reclaims a dead subscriber's entry",
                  .worlds = kReliable,
                  .role = Role::publisher,
                  .provocation = Provocation::subscriber_dies,
                  .targets = {{"slick.reclaim.locked"},
                              {"slick.reclaim.holds_cleared"},
                              {"slick.reclaim.claims_orphaned"},
                              {"slick.reclaim.freed"},
                              {"slick.reclaim.unlocked"}}});
  list.push_back({.name = "a publisher evicts a stopped subscriber",
                  .worlds = kReliable,
                  .role = Role::publisher,
                  .provocation = Provocation::subscriber_stops,
                  .targets = {{"slick.evict.decided"}, {"slick.evict.done"}}});
  list.push_back({.name = "an evictor goes on when its subscriber has joined again",
                  .worlds = kReliable,
                  .role = Role::publisher,
                  .provocation = Provocation::subscriber_stops,
                  .provoker_goes_first = true,
                  .targets = {{"slick.evict.decided"}}});
  list.push_back({.name = "an evicted subscriber joins again",
                  .worlds = kReliable,
                  .role = Role::subscriber,
                  .before = "slick.join.joined:1:stop,",
                  .targets = {{"slick.rejoin.begun"},
                              {"slick.join.announced"},
                              {"slick.join.active"},
                              {"slick.join.joined"},
                              {"slick.rejoin.joined"}}});
  list.push_back({.name = "a subscriber that was lapped before it read goes on",
                  .worlds = kTopics,
                  .role = Role::subscriber,
                  .targets = {{"slick.take.found", 40}}});
  list.push_back({.name = "a publisher that was given up goes on",
                  .role = Role::publisher,
                  .before = "slick.reserve.granted:5:stop,",
                  .targets = {{"slick.publish.half"},
                              {"slick.publish.copied"},
                              {"slick.commit.stamped"},
                              {"slick.commit.fenced"},
                              {"slick.commit.withdrawn"},
                              {"slick.commit.idle"}}});
  for (Scenario& scenario : pool_scenarios()) list.push_back(std::move(scenario));
  return list;
}

}  // namespace

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> list = all();
  return list;
}

const std::vector<ControlTarget>& control_targets() {
  static const std::vector<ControlTarget> list{
      {.point = "directory.made", .alone = true},
      {"segment.opened"},
      {"segment.sized"},
      {"segment.reserved"},
      {"segment.headed"},
      {"record.filled"},
      {"record.locked"},
      {"segment.linked"},
      {"record.complete"},
      {"registry.met", 2},
      {"record.beaten"},
      {"control.socket.bound"},
      {"control.socket.opened"},
      {"control.socket.listening"},
      {"record.entry.counted", 30},
      {"record.entry.opened", 30},
      {"record.entry.filled", 30},
      {"record.entry.added", 30},
      {"record.grown"},
      {"record.entry.leaving", 30},
      {"record.entry.removed", 30},
      {"control.socket.removed"},
      {"record.leaving"},
      {"record.unlinked"},
      {.point = "directory.removed", .alone = true},
      // Alone: a neighbour would have removed what the dead one left before the victim comes.
      {.point = "segment.dead.locked", .leftover = true, .alone = true},
      {.point = "segment.dead.unlinked", .leftover = true, .alone = true},
      {.point = "control.dead.removed", .leftover = true, .alone = true},
  };
  return list;
}

}  // namespace sluice::kill_points
