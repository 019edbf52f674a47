#include <catch2/catch.hpp>

#include "tools/launch/restarts.hpp"
#include "unit/launch/launch_support.hpp"

using namespace launch_test;
using namespace sluice::launch;
using namespace std::chrono_literals;

namespace {

/// Ends `life` after each start, again and again; the delays that it is given.
std::vector<std::chrono::nanoseconds> delays(const Respawn& rules, std::chrono::nanoseconds life, std::size_t most) {
  Restarts restarts;
  std::vector<std::chrono::nanoseconds> delays;
  Restarts::Time now{};
  while (delays.size() < most) {
    const Restarts::Time started = now;
    now += life;
    const auto delay = restarts.after_end(rules, started, now);
    if (!delay) break;
    delays.push_back(*delay);
    now += *delay;
  }
  CHECK(restarts.count() == delays.size());
  return delays;
}

using Delays = std::vector<std::chrono::nanoseconds>;

}  // namespace

TEST_CASE("a process that ends soon again and again is started later and later") {
  CHECK(delays({0s, {}, 1min}, 1ms, 6) == Delays{0s, 100ms, 200ms, 400ms, 800ms, 1600ms});
  CHECK(delays({5s, {}, 1min}, 1ms, 5) == Delays{5s, 10s, 20s, 30s, 30s});
  CHECK(delays({45s, {}, 1min}, 1ms, 3) == Delays{45s, 45s, 45s});
  CHECK(delays({1s, {}, 1min}, 11s, 4) == Delays{1s, 1s, 1s, 1s});
}

TEST_CASE("a process is given up when it was started anew too often within the window") {
  CHECK(delays({0s, 3, 1min}, 1ms, 100).size() == 3);
  CHECK(delays({0s, 0, 1min}, 1ms, 100).empty());
  CHECK(delays({1s, 3, 1min}, 30s, 100).size() == 100);  // two within each minute
}

TEST_CASE("how a process is started anew is written in the launch file") {
  const Files files;
  const auto plan = files.plan(
      "launch:\n  - node: {exec: bin/talker, respawn: true, respawn_delay: 2.5, "
      "max_respawns: 4, respawn_window: 30s}\n");
  const auto& respawn = process(plan).respawn;
  REQUIRE(respawn);
  CHECK(respawn->delay == 2500ms);
  CHECK(respawn->most == 4);
  CHECK(respawn->window == 30s);
  CHECK_FALSE(process(files.plan("launch: [{node: {exec: bin/talker, respawn: \"false\"}}]")).respawn);
  CHECK(process(files.plan("launch: [{node: {exec: bin/talker, on_exit: shutdown}}]")).required);
}

TEST_CASE("settings of restarts that contradict each other are refused") {
  const Files files;
  const auto error = [&](const std::string& settings) {
    return files.error("launch: [{node: {exec: bin/talker, " + settings + "}}]");
  };
  CHECK(error("respawn: true, required: true") ==
        "demo.yaml:1:45: 'respawn' of node 'talker-1' and 'required' contradict each other: the launch ends when it "
        "ends");
  CHECK(error("max_respawns: 3") == "demo.yaml:1:50: 'max_respawns' of node needs 'respawn: true'");
  CHECK(error("respawn: true, max_respawns: many") ==
        "demo.yaml:1:65: 'max_respawns' of node must be a whole number, not 'many'");
  CHECK(error("on_exit: restart") == "demo.yaml:1:45: 'on_exit' of node must be shutdown, not 'restart'");
}
