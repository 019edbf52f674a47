#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "launch_support.hpp"
#include "tools/launch/arguments.hpp"

using launch_test::Files;
using launch_test::messages;
using launch_test::plan_error;
using launch_test::plan_of;
using launch_test::process;

namespace {

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("a node gets its parameters from a file of ROS 2, in the order of the list", "[launch]") {
  const Files files;
  files.add("params.yaml", 0644,
            "/**: {ros__parameters: {rate: 1, use_recording: true}}\n"
            "/robot/t:\n"
            "  ros__parameters:\n"
            "    rate: 2\n"
            "    camera: {frame: optical, sizes: [1, 2]}\n"
            "/other: {ros__parameters: {rate: 3}}\n");
  const auto plan = files.plan(
      "launch:\n"
      "  - node:\n"
      "      exec: talker\n"
      "      name: t\n"
      "      namespace: robot\n"
      "      param:\n"
      "        - {name: first, value: 0}\n"
      "        - {from: $(dirname)/params.yaml}\n"
      "        - {name: rate, value: 4}\n");
  CHECK(process(plan, 0).arguments == Strings{"--name", "t", "--ns", "/robot", "--param", "first:=0", "--param",
                                              "camera.frame:=optical", "--param", "camera.sizes:=[1, 2]", "--param",
                                              "rate:=2", "--param", "use_recording:=true", "--param", "rate:=4"});
}

TEST_CASE("parameter files that cannot be used", "[launch]") {
  const Files files;
  files.add("params.yaml", 0644, "/other: {ros__parameters: {rate: 3}}\n");
  const auto error = [&](const std::string& item, const std::string& name = "name: t, ") {
    return files.error("launch:\n  - node: {exec: talker, " + name + "param: [" + item + "]}");
  };
  CHECK(error("{from: no.yaml}") == "demo.yaml:2:50: there is no parameter file '" + files.at("no.yaml") + "'");
  CHECK(error("{from: params.yaml}") == files.at("params.yaml") +
                                            ":1:1: there are no parameters of node '/t' in this file; it has those of "
                                            "/other; named by 'param' at demo.yaml:2:50");
  CHECK(error("{from: params.yaml}", "") ==
        "demo.yaml:2:41: 'from' of an item of 'param' needs the 'name' of the node: the file has values by name");
  CHECK(error("{from: params.yaml, name: x}") == "demo.yaml:2:43: 'from' of an item of 'param' of node stands alone");
  CHECK(error("{form: x}")
            .rfind("demo.yaml:2:44: unknown key 'form' in an item of 'param' of node; accepted are name, value, from",
                   0) == 0);
}

TEST_CASE("an argument can have choices", "[launch]") {
  const std::string yaml =
      "launch:\n"
      "  - arg: {name: mode, default: fast, choice: [{value: fast}, {value: 1}, slow]}\n"
      "  - log: {message: $(var mode)}\n";
  CHECK(messages(plan_of(yaml)) == Strings{"fast"});
  CHECK(messages(plan_of(yaml, {"mode:=1"})) == Strings{"1"});
  CHECK(plan_error(yaml, {"mode:=slw"}) ==
        "command line: argument 'mode' cannot be 'slw'; its choices are 'fast', '1', 'slow'");
  CHECK(plan_error("launch:\n  - arg: {name: n, default: 3, choices: [1, \"2\"]}") ==
        "demo.yaml:2:29: argument 'n' cannot be '3'; its choices are '1', '2'");
  CHECK(plan_error("launch:\n  - arg: {name: n, choices: []}") ==
        "demo.yaml:2:29: 'choices' of arg has no item, so no value would do");
  CHECK(plan_error("launch:\n  - arg: {name: n, choices: [a], choice: [a]}") ==
        "demo.yaml:2:10: 'choice' and 'choices' of arg mean the same; write one of them");
  CHECK(sluice::launch::describe_arguments(sluice::launch::parse_description(
            "launch:\n  - group:\n      - arg: {name: n, choices: [a, $(env X b)]}", "d.yaml", "/")) ==
        "Arguments (pass them as NAME:=VALUE):\n\n    'n':\n        no description given\n"
        "        Valid choices are: ['a', '$(env X b)']\n        (no default)\n");
}

TEST_CASE("truth values and numbers may be in quotes or not", "[launch]") {
  const Files files;
  for (const char* yes : {"true", "'true'", "True", "\"1\"", "1"}) {
    const auto plan =
        files.plan(std::string("launch:\n  - node: {exec: talker, required: ") + yes + ", if: " + yes + "}");
    CHECK(process(plan, 0).required);
  }
  CHECK(messages(plan_of("launch:\n  - arg: {name: n, default: 1.50}\n  - log: {message: $(var n)}")) ==
        Strings{"1.50"});
}
