#include "tools/launch/description.hpp"

#include <string>
#include <variant>

#include <catch2/catch.hpp>

#include "launch_support.hpp"

using namespace sluice::launch;

namespace {

Description parsed(const std::string& yaml) { return parse_description(yaml, "demo.yaml", "/demo"); }
std::string parse_error(const std::string& yaml) {
  return launch_test::error_of([&] { (void)parsed(yaml); });
}

}  // namespace

TEST_CASE("a launch file is read with places, unexpanded", "[launch]") {
  const Description description = parsed(
      "for: 20s\n"
      "config: [a.yaml, b.yaml]\n"
      "shutdown: {sigterm_after: 1s, sigkill_after: 2s}\n"
      "launch:\n"
      "  - arg: {name: rate, default: 10, description: Hz}\n"
      "  - let: {name: x, value: $(var rate)}\n"
      "  - set_env: {name: A, value: 1}\n"
      "  - log: {message: hello, if: true}\n"
      "  - node:\n"
      "      pkg: demo\n"
      "      exec: talker\n"
      "      args: [--a, b c]\n"
      "      remap: [{from: x, to: y}]\n"
      "      param: [{name: p, value: [1, \"2\"]}]\n"
      "      unless: $(var x)\n"
      "  - executable: {cmd: sleep 1, env: [{name: B, value: 2}]}\n");
  CHECK(description.run_for->text == "20s");
  CHECK(description.run_for->origin.text() == "demo.yaml:1:6");
  CHECK(description.config_files.size() == 2);
  CHECK(description.sigterm_after->text == "1s");
  CHECK(description.sigkill_after->text == "2s");
  REQUIRE(description.actions.size() == 6);
  const auto& arg = std::get<ArgAction>(description.actions[0].what);
  CHECK(arg.name.text == "rate");
  CHECK(arg.default_value->text == "10");
  CHECK(arg.description == "Hz");
  CHECK(std::get<LetAction>(description.actions[1].what).value.text == "$(var rate)");
  CHECK(std::get<SetEnvAction>(description.actions[2].what).name.text == "A");
  CHECK(description.actions[3].condition->wanted);
  const auto& node = std::get<NodeAction>(description.actions[4].what);
  CHECK(node.executable.text == "talker");
  CHECK_FALSE(node.process.arguments.split);
  CHECK(node.process.arguments.texts.at(1).text == "b c");
  CHECK(node.remaps.at(0).right.text == "y");
  CHECK(std::get<Pair>(node.parameters.at(0)).right.text == "[1, \"2\"]");
  CHECK_FALSE(node.config_files.has_value());
  CHECK_FALSE(description.actions[4].condition->wanted);
  CHECK(std::get<ExecutableAction>(description.actions[5].what).command.split);
}

TEST_CASE("what a launch file must look like", "[launch]") {
  CHECK(parse_error("{}") == "demo.yaml:1:1: the launch file needs 'launch'");
  CHECK(parse_error("launch: []\nlunch: 1") ==
        "demo.yaml:2:1: unknown key 'lunch' in the launch file; did you mean 'launch'?");
  CHECK(parse_error("launch:\n  - nod: {exec: x}") ==
        "demo.yaml:2:5: unknown launch action 'nod'; did you mean 'node'?");
  CHECK(parse_error("launch:\n  - frobnicate: {}") ==
        "demo.yaml:2:5: unknown launch action 'frobnicate'; known are arg, executable, group, include, let, log, node, "
        "push_namespace, push_ros_namespace, set_env, set_parameter, set_remap, shutdown, timer, unset_env");
  CHECK(parse_error("launch:\n  - node: {exec: x}\n    log: {message: y}") ==
        "demo.yaml:2:5: a launch action has one key, as in '- node: {exec: talker}'; this one has 2 (wrong "
        "indentation?)");
  CHECK(parse_error("launch:\n  - node: {name: x}") == "demo.yaml:2:11: node needs 'exec'");
  CHECK(parse_error("launch:\n  - node: {exec: ''}") == "demo.yaml:2:18: 'exec' of node must not be empty");
  CHECK(parse_error("launch:\n  - log: {message: x, if: 1, unless: 1}") ==
        "demo.yaml:2:5: 'if' and 'unless' exclude each other");
}

TEST_CASE("unknown keys are refused at their place, everywhere", "[launch]") {
  for (const char* yaml : {"launch:\n  - node: {exec: x, nmae: y}",
                           "launch:\n  - executable: {cmd: x, nmae: y}",
                           "launch:\n  - arg: {name: x, defualt: y}",
                           "launch:\n  - let: {name: x, vlue: y}",
                           "launch:\n  - set_env: {name: x, vlue: y}",
                           "launch:\n  - unset_env: {nam: x}",
                           "launch:\n  - push_ros_namespace: {namespce: x}",
                           "launch:\n  - push_namespace: {namespce: x}",
                           "launch:\n  - set_remap: {form: x, to: y}",
                           "launch:\n  - set_parameter: {nam: x, value: y}",
                           "launch:\n  - shutdown: {resaon: x}",
                           "launch:\n  - include: {file: x, args: []}",
                           "launch:\n  - include: {file: x, arg: [{name: a, vlue: b}]}",
                           "launch:\n  - arg: {name: x, choice: [{vlue: y}]}",
                           "launch:\n  - group: {childen: []}",
                           "launch:\n  - timer: {perod: 1, children: []}",
                           "launch:\n  - log: {mesage: y}",
                           "launch:\n  - node: {exec: x, remap: [{form: a, to: b}]}",
                           "launch:\n  - node: {exec: x, param: [{nam: a, value: b}]}",
                           "launch:\n  - node: {exec: x, env: [{nam: a, value: b}]}",
                           "launch: []\nshutdown: {sigterm: 5s}"}) {
    INFO(yaml);
    const std::string error = parse_error(yaml);
    INFO(error);
    CHECK(error.rfind("demo.yaml:2:", 0) == 0);
    CHECK(error.find("unknown key '") != std::string::npos);
  }
}

TEST_CASE("wrong kinds of values are refused", "[launch]") {
  for (const char* yaml :
       {"launch: 5", "[]", "launch: [talker]", "launch:\n  - node: talker", "launch:\n  - node: {exec: [a]}",
        "launch:\n  - node: {exec: x, remap: {a: b}}", "launch:\n  - node: {exec: x, remap: [{from: a, to: [b]}]}",
        "launch:\n  - node: {exec: x, param: [{name: a, value: {b: c}}]}", "launch:\n  - executable: {cmd: {a: b}}",
        "launch:\n  - group: 5", "launch:\n  - group: {children: {a: b}}", "launch:\n  - timer: [1]",
        "launch:\n  - shutdown: now", "launch:\n  - arg: {name: x, choices: a}", "launch:\n  - include: a.yaml",
        "launch: []\nshutdown: 5s"}) {
    INFO(yaml);
    CHECK(parse_error(yaml).rfind("demo.yaml:", 0) == 0);
  }
}
