#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "launch_support.hpp"

using launch_test::Files;
using launch_test::messages;
using launch_test::plan_error;
using launch_test::plan_of;
using launch_test::process;

namespace {

using Strings = std::vector<std::string>;

Strings options(const sluice::launch::Plan& plan, std::size_t step) { return process(plan, step).arguments; }

}  // namespace

TEST_CASE("what a group sets ends with it", "[launch]") {
  const Files files;
  const auto plan = files.plan(
      "launch:\n"
      "  - let: {name: x, value: outside}\n"
      "  - set_env: {name: A, value: outside}\n"
      "  - group:\n"
      "      - log: {message: $(var x)}\n"
      "      - let: {name: x, value: inside}\n"
      "      - set_env: {name: A, value: inside}\n"
      "      - push_ros_namespace: {namespace: robot}\n"
      "      - set_remap: {from: chatter, to: /$(var x)}\n"
      "      - set_parameter: {name: p, value: [1, $(var x)]}\n"
      "      - log: {message: $(var x) $(env A)}\n"
      "      - node: {exec: talker, name: t, param: [{name: p, value: 2}], remap: [{from: a, to: b}]}\n"
      "  - log: {message: $(var x) $(env A)}\n"
      "  - node: {exec: talker, name: t}\n");
  CHECK(messages(plan) == Strings{"outside", "inside inside", "outside outside"});
  CHECK(options(plan, 2) == Strings{"--name", "t", "--ns", "/robot", "--remap", "chatter:=/inside", "--remap", "a:=b",
                                    "--param", "p:=[1, inside]", "--param", "p:=2"});
  CHECK(process(plan, 2).environment.at("A") == "inside");
  CHECK(options(plan, 4) == Strings{"--name", "t"});
  CHECK(process(plan, 4).environment.at("A") == "outside");
}

TEST_CASE("a group may be unscoped, may keep what it is told, and may be left out", "[launch]") {
  const auto logged = [](const std::string& settings) {
    return messages(
        plan_of("launch:\n"
                "  - let: {name: x, value: outside}\n"
                "  - let: {name: y, value: kept}\n"
                "  - group:\n"
                "      " +
                settings +
                "\n"
                "      children:\n"
                "        - log: {message: $(var x none) $(var z none)}\n"
                "        - let: {name: x, value: inside}\n"
                "  - log: {message: $(var x)}\n"));
  };
  CHECK(logged("scoped: true") == Strings{"outside none", "outside"});
  CHECK(logged("scoped: 'False'") == Strings{"outside none", "inside"});
  CHECK(logged("forwarding: false") == Strings{"none none", "outside"});
  CHECK(logged("forwarding: 0\n      keep: [{name: z, value: $(var y)}]") == Strings{"none kept", "outside"});
  CHECK(logged("if: 0") == Strings{"outside"});
  CHECK(logged("unless: \"TRUE\"") == Strings{"outside"});
  CHECK(plan_error("launch:\n  - group: {scoped: perhaps, children: []}") ==
        "demo.yaml:2:21: 'scoped' of group must be true, 1, false or 0, not 'perhaps'");
}

TEST_CASE("namespaces add up, and one with a slash begins anew", "[launch]") {
  const Files files;
  const auto plan = files.plan(
      "launch:\n"
      "  - push_ros_namespace: {namespace: a}\n"
      "  - group:\n"
      "      - push_namespace: {namespace: b/c/}\n"
      "      - node: {exec: talker, namespace: d}\n"
      "      - node: {exec: talker, namespace: /e}\n"
      "      - node: {exec: talker, namespace: /}\n"
      "      - push_ros_namespace: {namespace: /f}\n"
      "      - node: {exec: talker}\n"
      "  - node: {exec: talker}\n");
  CHECK(options(plan, 0) == Strings{"--ns", "/a/b/c/d"});
  CHECK(options(plan, 1) == Strings{"--ns", "/e"});
  CHECK(options(plan, 2) == Strings{});
  CHECK(options(plan, 3) == Strings{"--ns", "/f"});
  CHECK(options(plan, 4) == Strings{"--ns", "/a"});
  CHECK(files.error("launch:\n"
                    "  - node: {exec: talker, name: t, namespace: a}\n"
                    "  - group:\n"
                    "      - push_ros_namespace: {namespace: a}\n"
                    "      - node: {exec: talker, name: t}\n") ==
        "demo.yaml:5:36: the process name '/a/t' is taken by the one at demo.yaml:2:5; names must differ");
}

TEST_CASE("a variable of the environment can be taken away", "[launch]") {
  const Files files;
  ::setenv("SLUICE_TEST_INHERITED", "from outside", 1);
  const auto plan = files.plan(
      "launch:\n"
      "  - group:\n"
      "      - unset_env: {name: SLUICE_TEST_INHERITED}\n"
      "      - log: {message: $(env SLUICE_TEST_INHERITED gone)}\n"
      "      - node: {exec: talker}\n"
      "      - node: {exec: talker, env: [{name: SLUICE_TEST_INHERITED, value: back}]}\n"
      "  - node: {exec: talker}\n");
  CHECK(messages(plan) == Strings{"gone"});
  CHECK(process(plan, 1).without_environment == std::set<std::string>{"SLUICE_TEST_INHERITED"});
  CHECK(process(plan, 2).without_environment.empty());
  CHECK(process(plan, 2).environment.at("SLUICE_TEST_INHERITED") == "back");
  CHECK(process(plan, 3).without_environment.empty());
  CHECK(plan_error("launch:\n  - unset_env: {name: A=B}") ==
        "demo.yaml:2:23: 'A=B' cannot name an environment variable");
}

TEST_CASE("timers delay what they hold, and what they set ends with them", "[launch]") {
  using namespace std::chrono_literals;
  const Files files;
  const auto plan = files.plan(
      "launch:\n"
      "  - let: {name: x, value: outside}\n"
      "  - timer:\n"
      "      period: 1.5\n"
      "      children:\n"
      "        - let: {name: x, value: inside}\n"
      "        - node: {exec: talker}\n"
      "        - timer: {period: '250ms', children: [{log: {message: $(var x)}}, {shutdown: {reason: enough}}]}\n"
      "  - log: {message: $(var x)}\n"
      "  - shutdown: {}\n");
  CHECK(process(plan, 0).delay == 1500ms);
  CHECK(sluice::launch::delay_of(plan.steps.at(1)) == 1750ms);
  CHECK(messages(plan) == Strings{"inside", "outside"});
  const auto& late = std::get<sluice::launch::PlannedShutdown>(plan.steps.at(2));
  CHECK(late.delay == 1750ms);
  CHECK(late.reason == "enough");
  CHECK(sluice::launch::delay_of(plan.steps.at(3)) == 0ms);
  CHECK(sluice::launch::delay_of(plan.steps.at(4)) == 0ms);
  const auto error = [](const std::string& period) {
    return plan_error("launch:\n  - timer: {period: " + period + ", children: []}");
  };
  CHECK(error("2") == "no error");
  CHECK(error("\"2.0\"") == "no error");
  for (const char* wrong : {"soon", "-1", "1.2.3", "''", "20000h", "99999999999999999999"}) {
    INFO(wrong << ": " << error(wrong));
    CHECK(error(wrong).rfind("demo.yaml:2:21: 'period' of timer: ", 0) == 0);
  }
  CHECK(plan_error("launch:\n  - timer: {period: 6000h, children: [{timer: {period: 6000h, children: []}}]}")
            .rfind("demo.yaml:2:56: 'period' of timer: ", 0) == 0);
}
