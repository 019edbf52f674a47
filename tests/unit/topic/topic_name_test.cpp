#include <sluice/topic_name.hpp>

#include "unit/topic/error_text.hpp"

#include <catch2/catch.hpp>

using namespace sluice;
using sluice::test::error_text;

namespace {

std::string expand(std::string_view name) { return expand_topic_name(name, "/ns", "talker"); }
std::string name_error(std::string_view name) {
  return error_text([&] { return expand(name); });
}

}  // namespace

TEST_CASE("names are expanded as ROS 2 does") {
  CHECK(expand("foo") == "/ns/foo");
  CHECK(expand("foo/bar") == "/ns/foo/bar");
  CHECK(expand("/foo") == "/foo");
  CHECK(expand("~") == "/ns/talker");
  CHECK(expand("~/foo") == "/ns/talker/foo");
  CHECK(expand("_hidden/x_1") == "/ns/_hidden/x_1");
  CHECK(expand_topic_name("foo", "/", "n") == "/foo");
  CHECK(expand_topic_name("foo", "", "n") == "/foo");
  CHECK(expand_topic_name("foo", "robot", "n") == "/robot/foo");
  CHECK(expand_topic_name("~/foo", "/", "n") == "/n/foo");
  CHECK(expand_topic_name("foo", "/a/b", "n") == "/a/b/foo");
}

TEST_CASE("substitutions") {
  CHECK(expand("{node}/x") == "/ns/talker/x");
  CHECK(expand("{name}/x") == "/ns/talker/x");
  CHECK(expand("/a/{node}") == "/a/talker");
  CHECK(expand("/a_{node}_b") == "/a_talker_b");
  CHECK(expand("{ns}/x") == "/ns/x");
  CHECK(expand("{namespace}/x") == "/ns/x");
  CHECK(expand("x{ns}/y") == "/ns/x/ns/y");
  CHECK(expand("~/{node}/{node}") == "/ns/talker/talker/talker");
  CHECK(expand_topic_name("{ns}/x", "/", "n") == "/x");
  CHECK(expand_topic_name("x{ns}/y", "/", "n") == "/x/y");
}

TEST_CASE("every rule that a name can break") {
  CHECK(name_error("") == "topic name '': a name needs at least one character");
  CHECK(name_error("/") == "topic name '/': a name needs at least one token after '/'");
  CHECK(name_error("a//b") == "topic name 'a//b': empty token at position 3 (names must not contain '//')");
  CHECK(name_error("//a") == "topic name '//a': empty token at position 2 (names must not contain '//')");
  CHECK(name_error("a/") == "topic name 'a/': '/' at position 2 is the last character (names must not end with '/')");
  CHECK(name_error("a__b") == "topic name 'a__b': '__' at position 2 (names must not contain '__')");
  CHECK(name_error("a/1b") ==
        "topic name 'a/1b': token '1b' at position 3 begins with a digit (tokens begin with a letter or '_')");
  CHECK(name_error("/a/~") == "topic name '/a/~': '~' at position 4 (only the first character can be '~')");
  CHECK(name_error("~foo") == "topic name '~foo': '~' is followed by 'f' (only '/' can follow '~')");
  CHECK(name_error("{foo}") ==
        "topic name '{foo}': unknown substitution '{foo}' at position 1 "
        "(known are {node}, {name}, {ns} and {namespace})");
  CHECK(name_error("a/{node") == "topic name 'a/{node': '{' at position 3 has no '}'");
  CHECK(name_error(std::string(241, 'a')) ==
        "topic name '" + std::string(80, 'a') + "...': it has 241 characters (at most 240)");
}

TEST_CASE("characters that are not allowed are named with their place") {
  const std::string rule = " (names have letters, digits, '_' and '/' only)";
  CHECK(name_error("a b") == "topic name 'a b': character ' ' at position 2" + rule);
  CHECK(name_error("a}") == "topic name 'a}': character '}' at position 2" + rule);
  CHECK(name_error("a/b*") == "topic name 'a/b*': character '*' at position 4" + rule);
  CHECK(name_error("h\u00f6he") == "topic name 'h\u00f6he': character '\u00f6' at position 2" + rule);
  CHECK(name_error(std::string_view{"a\0b", 3}) == "topic name 'a\\x00b': character '\\x00' at position 2" + rule);
  CHECK(name_error("a\xff") == "topic name 'a\\xff': character '\\xff' at position 2" + rule);
}

TEST_CASE("a name that is good only by itself is refused once expanded") {
  CHECK(error_text([] { return expand_topic_name("x_{node}", "/", "_n"); }) ==
        "topic name 'x_{node}' expanded to '/x__n': '__' at position 3 (names must not contain '__')");
  CHECK(error_text([] { return expand_topic_name(std::string(200, 'a'), "/" + std::string(100, 'b'), "n"); }) ==
        "topic name '" + std::string(80, 'a') + "...' expanded to '/" + std::string(79, 'b') +
            "...': it has 302 characters (at most 240)");
  CHECK(expand_topic_name(std::string(239, 'a'), "/", "n").size() == 240);
}

TEST_CASE("node names") {
  CHECK_NOTHROW(check_node_name("imu_filter2"));
  CHECK(error_text([] { check_node_name("a/b"); }) ==
        "node name 'a/b': '/' at position 2 (a node name is one token; the namespace is given apart)");
  CHECK(error_text([] { check_node_name(""); }) == "node name '': a name needs at least one character");
  CHECK(error_text([] { check_node_name("2x"); }) ==
        "node name '2x': token '2x' at position 1 begins with a digit (tokens begin with a letter or '_')");
  CHECK(error_text([] { check_node_name("~"); }) ==
        "node name '~': character '~' at position 1 (names have letters, digits, '_' and '/' only)");
}

TEST_CASE("namespaces and node names together") {
  CHECK(normalize_namespace("") == "/");
  CHECK(normalize_namespace("/") == "/");
  CHECK(normalize_namespace("robot") == "/robot");
  CHECK(normalize_namespace("/robot/arm") == "/robot/arm");
  CHECK(error_text([] { return normalize_namespace("/robot/"); }) ==
        "namespace '/robot/': '/' at position 7 is the last character (names must not end with '/')");
  CHECK(fully_qualified_node_name("/ns", "node") == "/ns/node");
  CHECK(fully_qualified_node_name("/", "node") == "/node");
}

TEST_CASE("remap rules") {
  CHECK(parse_remap("chatter:=/news").from == "chatter");
  CHECK(parse_remap("chatter:=/news").to == "/news");
  CHECK(parse_remap("~/in:={ns}/out").to == "{ns}/out");
  CHECK(parse_remap("__node:=other").to == "other");
  CHECK(parse_remap("__ns:=/robot").to == "/robot");
  CHECK(parse_remap("__ns:=/").to == "/");
}

TEST_CASE("every way in which a remap rule is refused") {
  const auto remap_error = [](std::string_view text) { return error_text([&] { return parse_remap(text).from; }); };
  const std::string expected = "; expected from:=to, such as chatter:=/news";
  CHECK(remap_error("chatter=/news") == "remap rule 'chatter=/news': no ':='" + expected);
  CHECK(remap_error(":=/news") == "remap rule ':=/news': nothing before ':='" + expected);
  CHECK(remap_error("chatter:=") == "remap rule 'chatter:=': nothing after ':='" + expected);
  CHECK(remap_error("a//b:=c") ==
        "remap rule 'a//b:=c': topic name 'a//b': empty token at position 3 (names must not contain '//')");
  CHECK(remap_error("a:=b:=c") ==
        "remap rule 'a:=b:=c': topic name 'b:=c': character ':' at position 2 (names have "
        "letters, digits, '_' and '/' only)");
  CHECK(remap_error("__name:=x") ==
        "remap rule '__name:=x': unknown name '__name'; only __node and __ns begin with '__'");
  CHECK(remap_error("__ns:=robot") ==
        "remap rule '__ns:=robot': namespace 'robot' must begin with '/', such as __ns:=/robot");
  CHECK(remap_error("__ns:=/1") ==
        "namespace '/1': token '1' at position 2 begins with a digit (tokens begin with a letter or '_')");
  CHECK(remap_error("__node:=a/b") ==
        "node name 'a/b': '/' at position 2 (a node name is one token; the namespace is given apart)");
}

TEST_CASE("remapping: expanded names are compared, the first rule wins, and only once") {
  const auto resolve = [](std::string_view name, const std::vector<Remap>& rules) {
    return resolve_topic_name(name, "/ns", "talker", rules);
  };
  CHECK(resolve("chatter", {}) == "/ns/chatter");
  CHECK(resolve("chatter", {{"chatter", "/news"}}) == "/news");
  CHECK(resolve("/ns/chatter", {{"chatter", "news"}}) == "/ns/news");
  CHECK(resolve("chatter", {{"/chatter", "/news"}}) == "/ns/chatter");
  CHECK(resolve("~/x", {{"~/x", "~/y"}}) == "/ns/talker/y");
  CHECK(resolve("chatter", {{"chatter", "first"}, {"chatter", "second"}}) == "/ns/first");
  CHECK(resolve("a", {{"a", "b"}, {"b", "c"}}) == "/ns/b");
  CHECK(resolve("chatter", {{"__node", "chatter"}, {"__ns", "/chatter"}}) == "/ns/chatter");
}
