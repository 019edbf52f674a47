#include <catch2/catch.hpp>

#include "unit/launch/launch_support.hpp"

using namespace launch_test;
using namespace sluice::launch;
using namespace std::chrono_literals;

namespace {

std::string two_nodes(const std::string& first, const std::string& second) {
  return "launch:\n  - node: {exec: bin/talker, name: one, " + first + "}\n  - node: {exec: bin/talker, name: two, " +
         second + "}\n";
}

}  // namespace

TEST_CASE("what a process waits for is known by name, wherever it stands in the file") {
  const Files files;
  const auto plan = files.plan(
      "launch:\n"
      "  - push_ros_namespace: {namespace: robot}\n"
      "  - node: {exec: bin/talker, after: [two, {topic: scan}, {node: /other}], after_timeout: 1.5}\n"
      "  - node: {exec: bin/talker, name: two}\n"
      "  - executable: {cmd: bin/talker, name: three, after: /robot/two}\n");
  const PlannedProcess& first = process(plan, 0);
  CHECK(first.is_node);
  CHECK(first.after_timeout == 1500ms);
  REQUIRE(first.after.size() == 3);
  CHECK(first.after[0].kind == Awaited::Kind::topic);
  CHECK(first.after[0].name == "/robot/scan");
  CHECK(first.after[1].kind == Awaited::Kind::node);
  CHECK(first.after[1].name == "/other");
  CHECK(first.after[2].kind == Awaited::Kind::process);
  CHECK(first.after[2].name == "two-2");
  CHECK(first.after[2].step == 1);
  CHECK_FALSE(process(plan, 2).is_node);
  CHECK(process(plan, 2).after.front().step == 1);
}

TEST_CASE("an order that cannot be kept is refused at its place") {
  const Files files;
  CHECK(files.error(two_nodes("after: twoo", "respawn: false")) ==
        "demo.yaml:2:48: 'after': there is no process 'twoo' with a 'name' in this launch; did you mean 'two'?");
  CHECK(files.error(two_nodes("after: two", "after: [one]")) ==
        "demo.yaml:2:48: 'after': these processes wait for each other: one-1 after two-2 after one-1");
  CHECK(files.error(two_nodes("after: one", "respawn: false")) ==
        "demo.yaml:2:48: 'after': these processes wait for each other: one-1 after one-1");
  CHECK(files.error("launch:\n  - node: {exec: bin/talker, name: n, namespace: a}\n"
                    "  - node: {exec: bin/talker, name: n, namespace: b, after: n}\n") ==
        "demo.yaml:3:60: 'after': there are several processes 'n'; write the name with its namespace");
  CHECK(files.error(two_nodes("after: {topik: /x}", "respawn: false")) ==
        "demo.yaml:2:49: unknown key 'topik' in 'after' of node; did you mean 'topic'?");
}
