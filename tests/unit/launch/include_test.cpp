#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "launch_support.hpp"

using launch_test::error_of;
using launch_test::Files;
using launch_test::messages;
using launch_test::process;

namespace {

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("an included file has its own place, and what it sets ends with it", "[launch]") {
  const Files files;
  files.add("sub/part.yaml", 0644,
            "config: part_topics.yaml\n"
            "launch:\n"
            "  - arg: {name: x, default: 1}\n"
            "  - arg: {name: known, default: 2}\n"
            "  - arg: {name: y, default: 3}\n"
            "  - log: {message: $(var x) $(var known) $(var y) $(var secret) $(filename) $(dirname)}\n"
            "  - let: {name: secret, value: changed}\n"
            "  - set_env: {name: A, value: changed}\n"
            "  - push_ros_namespace: {namespace: deeper}\n"
            "  - node: {exec: talker, name: t}\n");
  files.add("sub/part_topics.yaml", 0644);
  const auto plan = files.plan(
      "config: topics.yaml\n"
      "launch:\n"
      "  - let: {name: known, value: parent}\n"
      "  - let: {name: secret, value: seen}\n"
      "  - push_ros_namespace: {namespace: robot}\n"
      "  - include: {file: sub/part.yaml, arg: [{name: x, value: $(var secret)}]}\n"
      "  - log: {message: $(var x none) $(var secret) $(env A none)}\n"
      "  - node: {exec: talker, name: t}\n");
  CHECK(messages(plan) ==
        Strings{"seen parent 3 seen " + files.at("sub/part.yaml") + " " + files.at("sub"), "none seen none"});
  CHECK(process(plan, 1).arguments ==
        Strings{"--name", "t", "--ns", "/robot/deeper", "--config", files.at("sub/part_topics.yaml")});
  CHECK(process(plan, 1).label == "t-1");
  CHECK(process(plan, 3).arguments == Strings{"--name", "t", "--ns", "/robot", "--config", files.at("topics.yaml")});
  CHECK(process(plan, 3).label == "t-2");
}

TEST_CASE("a file can be included more than once, and its nodes have the configuration of the outer file", "[launch]") {
  const Files files;
  files.add("part.yaml", 0644, "for: 1s\nlaunch:\n  - arg: {name: n}\n  - node: {exec: talker, name: $(var n)}\n");
  const auto plan = files.plan(
      "config: topics.yaml\n"
      "launch:\n"
      "  - include: {file: part.yaml, arg: [{name: n, value: a}]}\n"
      "  - include: {file: $(dirname)/part.yaml, arg: [{name: n, value: b}]}\n"
      "  - include: {file: part.yaml, if: false}\n");
  CHECK(process(plan, 0).arguments == Strings{"--name", "a", "--config", files.at("topics.yaml")});
  CHECK(process(plan, 1).arguments == Strings{"--name", "b", "--config", files.at("topics.yaml")});
  CHECK(plan.steps.size() == 2);
  CHECK_FALSE(plan.run_for.has_value());
}

TEST_CASE("errors of included files have their place and say from where", "[launch]") {
  const Files files;
  const std::string inner = files.at("inner.yaml");
  files.add("outer.yaml", 0644, "launch:\n\n  - include: {file: inner.yaml}\n");
  const auto error = [&](const std::string& text) {
    files.add("inner.yaml", 0644, text);
    return files.error("launch:\n  - include: {file: outer.yaml}\n");
  };
  const std::string from = "; included from " + files.at("outer.yaml") + ":3:";
  CHECK(error("launch:\n  - log: {message: $(var x)}\n") ==
        inner + ":2:20: undefined variable 'x'" + from + "5; included from demo.yaml:2:5");
  CHECK(error("launch:\n  - logs: {message: x}\n") ==
        inner + ":2:5: unknown launch action 'logs'; did you mean 'log'?" + from + "21; included from demo.yaml:2:5");
  CHECK(error("launch:\n  - arg: {name: x}\n") == inner +
                                                      ":2:5: argument 'x' has no default; give it in 'arg' of the "
                                                      "include" +
                                                      from + "5; included from demo.yaml:2:5");
  CHECK(files.error("launch:\n  - include: {file: no.yaml}") ==
        "demo.yaml:2:21: there is no launch file '" + files.at("no.yaml") + "'");
}

TEST_CASE("an included file is given what it declares", "[launch]") {
  const Files files;
  files.add("part.yaml", 0644, "launch:\n  - group:\n      - arg: {name: mode, choices: [fast, slow]}\n");
  const auto error = [&](const std::string& name, const std::string& value) {
    return files.error("launch:\n  - include: {file: part.yaml, arg: [{name: " + name + ", value: " + value + "}]}");
  };
  CHECK(error("mode", "fast") == "no error");
  CHECK(error("mod", "fast") ==
        "demo.yaml:2:45: '" + files.at("part.yaml") + "' declares no argument 'mod'; did you mean 'mode'?");
  CHECK(error("mode", "x") ==
        "demo.yaml:2:58: argument 'mode' cannot be 'x'; its choices are 'fast', 'slow'; included from demo.yaml:2:5");
}

TEST_CASE("files that include each other in a circle are an error that shows it", "[launch]") {
  const Files files;
  files.add("a.yaml", 0644, "launch:\n  - include: {file: b.yaml}\n");
  files.add("b.yaml", 0644, "launch:\n  - include: {file: ./sub/../a.yaml}\n");
  CHECK(files.error("launch:\n  - include: {file: a.yaml}\n") ==
        files.at("b.yaml") + ":2:21: launch files include each other in a circle: '" + files.at("demo.yaml") +
            "' -> '" + files.at("a.yaml") + "' -> '" + files.at("b.yaml") + "' -> '" + files.at("a.yaml") +
            "'; included from " + files.at("a.yaml") + ":2:5; included from demo.yaml:2:5");
  files.add("demo.yaml", 0644);
  CHECK(files.error("launch:\n  - include: {file: $(filename)}\n").find("in a circle") != std::string::npos);
}

TEST_CASE("files that multiply are an error and not the end of the memory", "[launch]") {
  const Files files;
  for (int i = 0; i < 12; ++i) {
    const std::string include = "  - include: {file: " + std::to_string(i + 1) + ".yaml}\n";
    files.add(std::to_string(i) + ".yaml", 0644, "launch:\n" + include + include);
  }
  files.add("12.yaml", 0644, "launch: []\n");
  CHECK(files.error("launch:\n  - include: {file: 0.yaml}").find("more than 1000 files are included") !=
        std::string::npos);
}
