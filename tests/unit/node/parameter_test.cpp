#include <sluice/parameter.hpp>

#include <catch2/catch.hpp>

#include <sluice/sluice.hpp>

#include "support/temporary_directory.hpp"

using namespace sluice;
using Catch::Matchers::Contains;
using sluice::test::TemporaryDirectory;

namespace {

using Integers = std::vector<std::int64_t>;
using Doubles = std::vector<double>;
using Strings = std::vector<std::string>;

NodeOptions options_with(const TemporaryDirectory& directory, std::map<std::string, std::string> parameters) {
  NodeOptions options;
  options.config = Config::parse("runtime_dir: " + directory.path() + "/run\n", "test.yaml");
  options.parameters = std::move(parameters);
  return options;
}

}  // namespace

TEST_CASE("a parameter's text and its value are the same thing") {
  const std::vector<ParameterValue> values{true,         std::int64_t{-3},     0.1, std::string("a b"), Integers{1, -2},
                                           Doubles{0.5}, Strings{"a", "\"b\""}};
  for (const ParameterValue& value : values) {
    INFO(type_name(value) << " " << to_text(value));
    CHECK(parse_parameter(value, to_text(value)) == value);
  }
  for (const char* wrong : {"", "1x", "yes", "9223372036854775808", "[1", "[[1]]", "{}"}) {
    INFO(wrong);
    CHECK_FALSE(parse_parameter(std::int64_t{0}, wrong).has_value());
    CHECK_FALSE(parse_parameter(false, wrong).has_value());
    CHECK_FALSE(parse_parameter(Integers{}, wrong).has_value());
  }
  CHECK_FALSE(parse_parameter(Integers{}, "[1.5]").has_value());
  CHECK(parse_parameter(Doubles{}, "[1]") == ParameterValue(Doubles{1}));
}

TEST_CASE("a declared parameter has the command line's value, keeps its type and its range") {
  const TemporaryDirectory directory;
  Node node("n", options_with(directory, {{"count", "7"}, {"bad", "x"}, {"far", "99"}, {"only", "1.5"}}));
  CHECK(node.declare_parameter<std::int64_t>("count", 3, {"", 0, 10, false}) == 7);
  CHECK(node.parameter("count", 0) == 7);
  CHECK(node.parameter("only", 0.0) == 1.5);
  CHECK(node.parameter("none", 2) == 2);
  CHECK_THROWS_WITH(node.declare_parameter("count", true),
                    Contains("parameter 'count' has the value '7', which is not of its type bool"));
  CHECK_THROWS_WITH(node.declare_parameter<std::int64_t>("count", 3),
                    Contains("is declared already, with the value '7'"));
  CHECK_THROWS_WITH(node.declare_parameter("bad", 1.0), Contains("'x', which is not of its type double"));
  CHECK_THROWS_WITH(node.declare_parameter("far", 1.0, {"", {}, 10, false}),
                    Contains("must be at most 10, but is to become '99'"));
  CHECK_THROWS_WITH(node.set_parameter("count", 1.5), Contains("is of type integer, but '1.5' is of type double"));
  CHECK_THROWS_WITH(node.set_parameter<std::int64_t>("count", 11), Contains("must be from 0 to 10"));
  CHECK_THROWS_WITH(node.set_parameter<std::int64_t>("coun", 1), Contains("did you mean 'count'?"));
  CHECK(node.parameter("count", 0) == 7);
}

TEST_CASE("a callback may refuse, and may read parameters") {
  const TemporaryDirectory directory;
  Node node("n", options_with(directory, {}));
  node.declare_parameter("gain", 0.5);
  double before = 0;
  node.on_set_parameter([&](const std::string&, const ParameterValue& value) -> std::string {
    before = node.parameter("gain", 0.0);
    return std::get<double>(value) > 1 ? "too loud" : "";
  });
  CHECK_THROWS_WITH(node.set_parameter("gain", 2.0), Contains("the node refuses '2': too loud"));
  node.set_parameter("gain", 1.0);
  CHECK(before == 0.5);
  CHECK(node.parameter("gain", 0.0) == 1.0);
  node.on_set_parameter({});
  node.set_parameter("gain", 2.0);
  CHECK(node.parameter("gain", 0.0) == 2.0);
}
