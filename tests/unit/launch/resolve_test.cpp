#include "tools/launch/resolve.hpp"

#include <chrono>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "launch_support.hpp"
#include "tools/launch/arguments.hpp"
#include "tools/launch/program_search.hpp"

using namespace sluice::launch;
using namespace std::chrono_literals;
using launch_test::Files;
using launch_test::plan_error;
using launch_test::plan_of;
using launch_test::process;

namespace {

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("arguments: defaults, assignments, order", "[launch]") {
  const std::string yaml =
      "launch:\n"
      "  - arg: {name: rate, default: '10'}\n"
      "  - arg: {name: double_rate, default: $(var rate)$(var rate)}\n"
      "  - let: {name: text, value: r=$(var double_rate)}\n"
      "  - log: {message: $(var text)}\n";
  const auto message = [&](const Strings& given) {
    return std::get<PlannedLog>(plan_of(yaml, given).steps.at(0)).message;
  };
  CHECK(message({}) == "r=1010");
  CHECK(message({"rate:=5"}) == "r=55");
  CHECK(message({"rate:=5", "rate:=6"}) == "r=66");
  CHECK(message({"double_rate:=$(var x):=y"}) == "r=$(var x):=y");
  CHECK(message({"rate:="}) == "r=");
}

TEST_CASE("arguments that do not fit", "[launch]") {
  const std::string yaml = "launch:\n  - arg: {name: rate}\n";
  CHECK(plan_error(yaml) == "demo.yaml:2:5: argument 'rate' has no default; give it as rate:=VALUE");
  CHECK(plan_error(yaml, {"rat:=1"}) == "command line: 'demo.yaml' declares no argument 'rat'; did you mean 'rate'?");
  CHECK(plan_error("launch: []", {"x:=1"}) == "command line: 'demo.yaml' declares no argument 'x'; it declares none");
  CHECK(plan_error(yaml, {"rate=1"}) == "command line: 'rate=1' is not an argument; write NAME:=VALUE");
  CHECK(plan_error(yaml, {":=1"}) == "command line: ':=1' is not an argument; write NAME:=VALUE");
  CHECK(plan_error("launch:\n  - log: {message: $(var late)}\n  - arg: {name: late, default: 1}") ==
        "demo.yaml:2:20: undefined variable 'late'");
  CHECK(plan_error("launch:\n  - arg: {name: a, default: 1}\n  - arg: {name: a, default: 1}") ==
        "demo.yaml:3:5: argument 'a' is declared twice; first at demo.yaml:2:5");
}

TEST_CASE("conditions decide what exists", "[launch]") {
  const std::string yaml =
      "launch:\n"
      "  - arg: {name: on, default: 'true'}\n"
      "  - log: {message: a, if: $(var on)}\n"
      "  - log: {message: b, unless: $(var on)}\n"
      "  - let: {name: never, value: $(var undefined), if: 0}\n";
  CHECK(std::get<PlannedLog>(plan_of(yaml).steps.at(0)).message == "a");
  CHECK(std::get<PlannedLog>(plan_of(yaml, {"on:=False"}).steps.at(0)).message == "b");
  CHECK(plan_of(yaml).steps.size() == 1);
}

TEST_CASE("a node gets its settings as options, in a fixed order, then its own arguments", "[launch]") {
  const Files files;
  const Plan plan = files.plan(
      "config: topics.yaml\n"
      "launch:\n"
      "  - set_env: {name: A, value: 1}\n"
      "  - node:\n"
      "      exec: talker\n"
      "      args: --count 5 'x y'\n"
      "      param: [{name: p, value: 1}, {name: l, value: [a, b]}]\n"
      "      remap: [{from: chatter, to: /news}]\n"
      "      namespace: robot\n"
      "      name: t1\n"
      "      env: [{name: B, value: 2}]\n"
      "      required: True\n"
      "      output: screen\n"
      "      cwd: bin\n"
      "  - node: {exec: bin/listener, config: [$(dirname)/extra.yaml, topics.yaml]}\n"
      "  - node: {exec: tool, env: [{name: PATH, value: " +
      files.at("path") + "}]}\n");
  const PlannedProcess& talker = process(plan, 0);
  CHECK(talker.label == "t1-1");
  CHECK(talker.program == files.at("bin/talker"));
  CHECK(talker.arguments == Strings{"--name", "t1", "--ns", "/robot", "--config", files.at("topics.yaml"), "--remap",
                                    "chatter:=/news", "--param", "p:=1", "--param", "l:=[a, b]", "--count", "5",
                                    "x y"});
  CHECK(talker.environment == std::map<std::string, std::string>{{"A", "1"}, {"B", "2"}});
  CHECK(talker.required);
  CHECK(talker.directory == files.at("bin"));
  const PlannedProcess& listener = process(plan, 1);
  CHECK(listener.label == "listener-2");
  CHECK(listener.arguments == Strings{"--config", files.at("extra.yaml"), "--config", files.at("topics.yaml")});
  CHECK_FALSE(listener.required);
  CHECK(process(plan, 2).program == files.at("path/tool"));
}

TEST_CASE("an executable gets its own arguments only", "[launch]") {
  const Files files;
  const Plan plan = files.plan(
      "config: topics.yaml\n"
      "launch:\n"
      "  - executable: {cmd: bin/talker -a 'b c', args: [d e, f]}\n"
      "  - executable: {cmd: [talker, x y], name: second}\n");
  CHECK(process(plan, 0).program == files.at("bin/talker"));
  CHECK(process(plan, 0).arguments == Strings{"-a", "b c", "d e", "f"});
  CHECK(process(plan, 1).label == "second-2");
  CHECK(process(plan, 1).arguments == Strings{"x y"});
}

TEST_CASE("times come from the root keys and may use arguments", "[launch]") {
  const std::string yaml =
      "for: $(var time)\nshutdown: {sigterm_after: 100ms, sigkill_after: 2s}\n"
      "launch:\n  - arg: {name: time, default: 20s}\n";
  const Plan plan = plan_of(yaml);
  CHECK(plan.run_for == 20s);
  CHECK(plan.sigterm_after == 100ms);
  CHECK(plan.sigkill_after == 2s);
  CHECK_FALSE(plan_of("launch: []").run_for.has_value());
  CHECK(plan_of("launch: []").sigterm_after == 5s);
  CHECK(plan_error(yaml, {"time:=20"}).rfind("demo.yaml:1:6: 'for': ", 0) == 0);
}

TEST_CASE("programs that cannot be run are refused with what was searched", "[launch]") {
  const Files files;
  const std::string search = " in " + files.at("bin") + " or PATH (/nowhere)";
  const auto node = [&](const std::string& exec) {
    return files.error("launch:\n  - set_env: {name: PATH, value: /nowhere}\n  - node: {exec: " + exec + "}");
  };
  CHECK(node("talkr") == "demo.yaml:3:18: node 'talkr-1': no program 'talkr'" + search + "; did you mean 'talker'?");
  CHECK(node("zzz") == "demo.yaml:3:18: node 'zzz-1': no program 'zzz'" + search);
  CHECK(node("bin/zzz") == "demo.yaml:3:18: node 'zzz-1': there is no file '" + files.at("bin/zzz") + "'");
  CHECK(node("./bin") == "demo.yaml:3:18: node 'bin-1': '" + files.at("bin") + "' is a directory and not a program");
  CHECK(node("plain") ==
        "demo.yaml:3:18: node 'plain-1': '" + files.at("bin/plain") + "' is not executable; chmod +x it");
  CHECK(node("bin/plain") ==
        "demo.yaml:3:18: node 'plain-1': '" + files.at("bin/plain") + "' is not executable; chmod +x it");
  CHECK(files.error("launch:\n  - executable: {cmd: ''}") == "demo.yaml:2:23: 'cmd' of executable is empty");
}

TEST_CASE("an installation's programs are found after those beside sluice and before those of PATH", "[launch]") {
  const Files files;
  files.add("libexec/sluice/dashboard", 0755);
  files.add("libexec/sluice/talker", 0755);
  files.add("path/dashboard", 0755);
  const auto program = [&](const std::string& exec) {
    return process(files.plan("launch:\n  - set_env: {name: PATH, value: " + files.at("path") +
                              "}\n  - node: {exec: " + exec + "}"),
                   0)
        .program;
  };
  CHECK(program("talker") == files.at("bin/talker"));
  CHECK(program("dashboard") == files.at("libexec/sluice/dashboard"));
  CHECK(program("tool") == files.at("path/tool"));
  CHECK(files.error("launch:\n  - set_env: {name: PATH, value: /nowhere}\n  - node: {exec: dashbord}") ==
        "demo.yaml:3:18: node 'dashbord-1': no program 'dashbord' in " + files.at("bin") + ", " +
            files.at("libexec/sluice") + " or PATH (/nowhere); did you mean 'dashboard'?");
}

TEST_CASE("files and directories must exist", "[launch]") {
  const Files files;
  CHECK(files.error("config: no.yaml\nlaunch: []") ==
        "demo.yaml:1:9: there is no configuration file '" + files.at("no.yaml") + "'");
  CHECK(files.error("launch:\n  - node: {exec: talker, config: no.yaml}") ==
        "demo.yaml:2:34: there is no configuration file '" + files.at("no.yaml") + "'");
  CHECK(files.error("launch:\n  - node: {exec: talker, cwd: no}") ==
        "demo.yaml:2:31: 'cwd' of node: there is no directory '" + files.at("no") + "'");
}

TEST_CASE("two processes cannot have one name", "[launch]") {
  const Files files;
  CHECK(files.error("launch:\n  - node: {exec: talker, name: a}\n  - node: {exec: listener, name: a}") ==
        "demo.yaml:3:34: the process name '/a' is taken by the one at demo.yaml:2:5; names must differ");
  CHECK(files.error("launch:\n  - node: {exec: talker, name: a, namespace: x}\n"
                    "  - node: {exec: talker, name: a, namespace: /y}\n"
                    "  - node: {exec: talker}\n  - node: {exec: talker}") == "no error");
  CHECK(files.error("launch:\n  - node: {exec: talker, name: a, namespace: x}\n"
                    "  - node: {exec: talker, name: a, namespace: /x/}") ==
        "demo.yaml:3:32: the process name '/x/a' is taken by the one at demo.yaml:2:5; names must differ");
}

TEST_CASE("settings with wrong values", "[launch]") {
  const Files files;
  CHECK(files.error("launch:\n  - node: {exec: talker, required: maybe}") ==
        "demo.yaml:2:36: 'required' of node must be true, 1, false or 0, not 'maybe'");
  CHECK(files.error("launch:\n  - node: {exec: talker, output: log}") ==
        "demo.yaml:2:34: 'output' must be 'screen', not 'log'; log files are not written yet");
  CHECK(files.error("launch:\n  - set_env: {name: A=B, value: 1}") ==
        "demo.yaml:2:21: 'A=B' cannot name an environment variable");
}

TEST_CASE("the arguments of a file are listed without resolving it", "[launch]") {
  const auto list = [](const std::string& yaml) { return describe_arguments(parse_description(yaml, "d.yaml", "/")); };
  CHECK(list("launch: []") == "No arguments.\n");
  CHECK(list("launch:\n  - arg: {name: a, default: $(env X 1), description: The a.}\n  - arg: {name: b}\n") ==
        "Arguments (pass them as NAME:=VALUE):\n\n    'a':\n        The a.\n        (default: '$(env X 1)')\n"
        "\n    'b':\n        no description given\n        (no default)\n");
}
