#include <sluice/config.hpp>

#include "unit/topic/error_text.hpp"

#include <catch2/catch.hpp>

using namespace sluice;
using Catch::Matchers::Contains;
using sluice::test::error_text;

namespace {

std::string value(const Config& config, const std::string& node, const std::string& name) {
  return config.parameters(node).at(name).text;
}

std::string parameter_error(const std::string& text) {
  return error_text([&] { return Config::parse(text, "x.yaml"); });
}

}  // namespace

TEST_CASE("a parameter has the value of the most specific entry, and its place") {
  const Config config = Config::parse(R"(
nodes:
  /**: {parameters: {gain: 1, depth: 2, mode: all}}
  /arm/*: {parameters: {depth: 3}}
  arm/filter:
    parameters:
      gain: 0.5
)",
                                      "x.yaml");
  CHECK(value(config, "/arm/filter", "gain") == "0.5");
  CHECK(value(config, "/arm/filter", "depth") == "3");
  CHECK(value(config, "/arm/filter", "mode") == "all");
  CHECK(value(config, "/other", "gain") == "1");
  CHECK(config.parameters("/arm/filter").at("gain").origin.text() == "x.yaml:7:13");
  CHECK(config.node_names() == std::vector<std::string>{"/arm/filter"});
  CHECK(Config{}.parameters("/arm/filter").empty());
}

TEST_CASE("lists are written as after --param, and mappings in mappings are names with dots") {
  const Config config = Config::parse(
      R"(nodes: {/a: {parameters: {n: [1, .5, 1e3], s: ["1", a b, 'q"\'], none: [], o: {i: {x: yes}}}}})", "x.yaml");
  CHECK(value(config, "/a", "n") == R"([1, 0.5, 1000])");
  CHECK(value(config, "/a", "s") == R"(["1", "a b", "q\"\\"])");
  CHECK(value(config, "/a", "none") == "[]");
  CHECK(value(config, "/a", "o.i.x") == "yes");
}

TEST_CASE("wrong entries of nodes are refused with their place") {
  CHECK(parameter_error("nodes: [a]") == "x.yaml:1:8: nodes: expected a mapping, found a list");
  CHECK_THAT(parameter_error("nodes: {/a: {parameter: {}}}"), Contains("x.yaml:1:14: ") && Contains("'parameters'"));
  CHECK_THAT(parameter_error("nodes: {/a: {parameters: {x: }}}"), Contains("expected a value, found nothing"));
  CHECK_THAT(parameter_error("nodes: {/a: {parameters: {x: [[1]]}}}"), Contains("x.yaml:1:31: "));
  CHECK_THAT(parameter_error("nodes: {/a: {parameters: {x.y: 1, x: {y: 2}}}}"),
             Contains("was already given at x.yaml:1:32"));
  CHECK_THAT(parameter_error("nodes: {/a: {}, a: {}}"), Contains("merge the two entries"));
  CHECK_THAT(parameter_error("nodes: {/a b: {}}"), Contains("x.yaml:1:9: node name "));
  CHECK_THAT(
      parameter_error("nodes: {/a/b: {parameters: {z: 1}}, /*/b: {parameters: {x: 1}}, /a/*: {parameters: {x: 2}}}"),
      Contains("parameter 'x' is set to '2' by '/a/*'") && Contains("set it for the node itself"));
}
