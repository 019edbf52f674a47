#include <sluice/detail/yaml_document.hpp>

#include "unit/topic/error_text.hpp"

#include <catch2/catch.hpp>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>

using sluice::ConfigError;
using sluice::detail::load_yaml;
using sluice::detail::parse_yaml;
using sluice::detail::YamlNode;
using sluice::test::error_text;

namespace {

YamlNode parse_text(const std::string& text) { return parse_yaml(text, "x.yaml"); }
std::string yaml_error(const std::string& text) {
  return error_text([&] { return parse_text(text); });
}
std::string times(const std::string& unit, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += unit;
  return text;
}

/// Hostile input may be refused or accepted; it must not do anything else.
void survives(const std::string& text) {
  try {
    static_cast<void>(parse_text(text));
  } catch (const ConfigError&) {
  }
}

}  // namespace

TEST_CASE("a document keeps kinds, texts, quotes, order and places") {
  const YamlNode root = parse_text("b: 1\na:\n  - x\n  - 'true'\n  - {k: ~}\nc: |\n  text\n");
  REQUIRE(root.is_mapping());
  CHECK(root.origin().text() == "x.yaml:1:1");
  REQUIRE(root.entries().size() == 3);
  CHECK(root.entries()[0].key == "b");
  CHECK(root.entries()[1].origin.text() == "x.yaml:2:1");
  CHECK(root.find("b")->text() == "1");
  CHECK(root.find("b")->origin().text() == "x.yaml:1:4");
  CHECK_FALSE(root.find("b")->quoted());
  CHECK(root.find("z") == nullptr);
  const YamlNode& list = *root.find("a");
  REQUIRE(list.is_sequence());
  REQUIRE(list.items().size() == 3);
  CHECK(list.items()[1].quoted());
  CHECK(list.items()[1].origin().text() == "x.yaml:4:5");
  CHECK(list.items()[2].find("k")->is_null());
  CHECK(root.find("c")->text() == "text\n");
}

TEST_CASE("null in all its forms, and quoted words that are not null") {
  const YamlNode root = parse_text("a:\nb: ~\nc: null\nd: Null\ne: 'null'\nf: \"\"\n");
  for (const char* key : {"a", "b", "c", "d"}) CHECK(root.find(key)->is_null());
  CHECK(root.find("e")->text() == "null");
  CHECK(root.find("f")->is_scalar());
  CHECK(root.find("f")->text().empty());
}

TEST_CASE("an empty document is null") {
  for (const char* text : {"", "\n\n", "# only a comment\n", "---\n", "---\n...\n", "\xef\xbb\xbf"}) {
    CHECK(parse_text(text).is_null());
  }
  CHECK(parse_text("").origin().text() == "x.yaml:1:1");
}

TEST_CASE("a byte order mark and Windows line ends are harmless") {
  const YamlNode root = parse_text(
      "\xef\xbb\xbf"
      "a: 1\r\nb: 2\r\n");
  CHECK(root.find("a")->text() == "1");
  CHECK(root.find("b")->text() == "2");
  CHECK(root.find("b")->origin().text() == "x.yaml:2:4");
}

TEST_CASE("aliases copy the anchored node, which keeps its own place") {
  const YamlNode root =
      parse_text("base: &b {depth: 4, list: [1, 2]}\nuse: *b\nword: &w hello\n*w : key\nnothing: &n\nx: *n\n");
  CHECK(root.find("use")->find("depth")->text() == "4");
  CHECK(root.find("use")->find("depth")->origin().text() == "x.yaml:1:18");
  CHECK(root.find("use")->find("list")->items().size() == 2);
  CHECK(root.find("hello")->text() == "key");
  CHECK(root.find("x")->is_null());
  CHECK(parse_text("[&a 1, &a 2, *a]").items()[2].text() == "2");
}

TEST_CASE("what yaml-cpp would accept or ignore in silence is an error") {
  CHECK(yaml_error("a: 1\nb: 2\na: 3\n") == "x.yaml:3:1: the key 'a' was already given at x.yaml:1:1");
  CHECK(yaml_error("{a: 1, 'a': 2}") == "x.yaml:1:8: the key 'a' was already given at x.yaml:1:2");
  CHECK(yaml_error("a: &x {k: 1}\nb:\n  <<: *x\n") ==
        "x.yaml:3:3: merge keys ('<<') are not supported; repeat the settings, or use a wildcard topic");
  CHECK(yaml_error("a: !!int 3") == "x.yaml:1:4: explicit tag 'tag:yaml.org,2002:int' is not supported; remove it");
  CHECK(yaml_error("a: !mine {}") == "x.yaml:1:4: explicit tag '!mine' is not supported; remove it");
  CHECK(yaml_error("a: 1\n---\nb: 2\n") == "x.yaml:2:1: a second document begins here; a file holds one document");
  CHECK(yaml_error("\xef\xbb\xbf---\na\n---\n") ==
        "x.yaml:3:1: a second document begins here; a file holds one document");
  CHECK(yaml_error("a: 1\n...\nb: 2\n") == "x.yaml:3:1: the document has ended, and nothing may follow it");
  CHECK(yaml_error("a: 1\nb") == "x.yaml:2:1: no ':' after the key 'b'");
  CHECK(yaml_error("a: \x04\nb: 2\n") == "x.yaml:1:4: control character '\\x04' is not allowed in YAML");
  CHECK(yaml_error("a: &x [*x]") == "x.yaml:1:8: an alias inside the very value that its anchor names");
}

TEST_CASE("keys must be words") {
  CHECK(yaml_error("? [a]\n: 1\n") ==
        "x.yaml:1:3: a key must be a single word, found a list or a mapping; is a bracket left open?");
  CHECK(yaml_error("a: &x [1]\n*x : 2\n") == "x.yaml:2:1: a key must be a single word, found a list");
  CHECK(yaml_error("~: 1\n") == "x.yaml:1:1: a key is missing here; if the word itself is meant, put it in quotes");
  CHECK(yaml_error(": 1\n") == "x.yaml:1:1: a key is missing here; if the word itself is meant, put it in quotes");
  CHECK(parse_text("'~': 1\n'<<': 2\n").find("<<")->text() == "2");
}

TEST_CASE("syntax errors name the place and what to look for") {
  CHECK(yaml_error("a: {b: 1\nc: 2\n") == "x.yaml:2:2: not valid YAML: ',' or '}' is missing before this place");
  CHECK(yaml_error("a: [b,\n  c\nd: 1\n") == "x.yaml:3:2: not valid YAML: ',' or ']' is missing in this list");
  CHECK(yaml_error("a:\n  b: 1\n c: 2\n") ==
        "x.yaml:3:2: not valid YAML: expected 'key: value'; is a ':' missing, or the indentation wrong?");
  CHECK(yaml_error("- - a\n b\n") == "x.yaml:2:2: not valid YAML: expected the next '- '; is the indentation wrong?");
  CHECK(yaml_error("a: b: c\n") ==
        "x.yaml:1:5: not valid YAML: ':' is not allowed here; indent with spaces, quote text with ': '");
  CHECK(yaml_error("a: b\n  c: d\n").starts_with("x.yaml:2:4: not valid YAML: ':' is not allowed here"));
  CHECK(yaml_error("a: *nowhere\n") == "x.yaml:1:4: not valid YAML: the referenced anchor is not defined");
}

TEST_CASE("a quote that is never closed is an error, and does not swallow the rest of the file") {
  const std::string sentence = ": not valid YAML: the file ends inside quotes; a closing quote is missing";
  CHECK(yaml_error("a: 'b\nc: d\n") == "x.yaml:3:2" + sentence);
  for (const char* end : {"", " ", "\n", "\n\n", "\n  ", "\n\t", "\r\n"}) {
    CHECK(yaml_error(std::string{"a: \"b"} + end).ends_with(sentence));
    CHECK(yaml_error(std::string{"a: 'b"} + end).ends_with(sentence));
  }
}

TEST_CASE("the last value of a file is the same however the file ends") {
  CHECK(parse_text("a: |\n  x\n").find("a")->text() == "x\n");
  CHECK(parse_text("a: |\n  x\n  ").find("a")->text() == "x\n");
  CHECK(parse_text("a: |+\n  x\n\n").find("a")->text() == "x\n\n");
  CHECK(parse_text("a: |-\n  x\n").find("a")->text() == "x");
  for (const char* end : {"", "\n", "\n\n", "\n  ", "\n# c", "\n# c\n", "\n...\n"}) {
    CHECK(parse_text(std::string{"a: b"} + end).find("a")->text() == "b");
    CHECK(parse_text(std::string{"a: 'b'"} + end).find("a")->text() == "b");
  }
}

TEST_CASE("requirements on a node name the thing, its place and what was found") {
  const YamlNode root = parse_text("m: {a: 1}\ns: [1]\nv: word\nn:\nq: 'true'\nt: true\nf: FALSE\n");
  const auto& at = [&](const char* key) -> const YamlNode& { return *root.find(key); };
  CHECK(error_text([&] { at("v").require_mapping("topics"); }) ==
        "x.yaml:3:4: topics: expected a mapping, found the value 'word'");
  CHECK(error_text([&] { at("m").require_sequence("launch"); }) ==
        "x.yaml:1:4: launch: expected a list, found a mapping");
  CHECK(error_text([&] { return at("s").require_text("name"); }) == "x.yaml:2:4: name: expected a value, found a list");
  CHECK(error_text([&] { return at("n").require_text("name"); }) ==
        "x.yaml:5:1: name: expected a value, found nothing");
  CHECK(at("v").require_text("name") == "word");
  CHECK(at("t").require_bool("respawn"));
  CHECK_FALSE(at("f").require_bool("respawn"));
  CHECK(error_text([&] { return at("v").require_bool("respawn"); }) ==
        "x.yaml:3:4: respawn: expected true or false, found the value 'word'");
  CHECK(error_text([&] { return at("q").require_bool("respawn"); }) ==
        "x.yaml:5:4: respawn: expected true or false without quotes, found the value 'true'");
  CHECK_NOTHROW(at("m").require_known_keys("it", {"a"}));
  CHECK(error_text([&] {
          root.require_known_keys("node 'x'", {"m", "s", "v", "n", "q", "t", "file"});
        }) == "x.yaml:7:1: unknown key 'f' in node 'x'; did you mean 'm'?");
  CHECK(error_text([&] {
          at("m").require_known_keys("node 'x'", {"depth", "history"});
        }) == "x.yaml:1:5: unknown key 'a' in node 'x'; accepted are depth, history");
}

TEST_CASE("files: read, missing, a directory, too large") {
  const std::filesystem::path directory = std::filesystem::temp_directory_path();
  char pattern[] = "/tmp/sluice-yaml-XXXXXX";
  const int fd = ::mkstemp(pattern);
  REQUIRE(fd >= 0);
  std::FILE* const file = ::fdopen(fd, "w");
  std::fputs("a: 1\n", file);
  CHECK(std::fclose(file) == 0);
  CHECK(load_yaml(pattern).find("a")->origin().text() == std::string{pattern} + ":1:4");
  std::filesystem::resize_file(pattern, (std::uintmax_t{16} << 20U) + 1);
  CHECK(error_text([&] { return load_yaml(pattern); }) ==
        std::string{pattern} + ": cannot read this file: it is larger than 16MiB");
  std::filesystem::remove(pattern);
  CHECK(error_text([&] { return load_yaml(pattern); }) ==
        std::string{pattern} + ": cannot read this file: No such file or directory");
  CHECK(error_text([&] { return load_yaml(directory.string()); }) ==
        directory.string() + ": cannot read this file: Is a directory");
}

TEST_CASE("bytes that are not text are refused with their place") {
  CHECK(yaml_error(std::string("a: 1\nb: \0\n", 10)) == "x.yaml:2:4: control character '\\x00' is not allowed in YAML");
  CHECK(yaml_error("a: \x1b[2J") == "x.yaml:1:4: control character '\\x1b' is not allowed in YAML");
  const std::string utf8 = " is not valid UTF-8; save the file as UTF-8";
  for (const char* bad : {"\xff", "\x80", "\xc0\xaf", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82"}) {
    const std::string text = std::string{"a:\n- "} + bad;
    CHECK(yaml_error(text).starts_with("x.yaml:2:3: byte '\\x"));
    CHECK(yaml_error(text).ends_with(utf8));
  }
  CHECK(parse_text("a: h\u00f6he \u20ac \U0001f600").find("a")->text() == "h\u00f6he \u20ac \U0001f600");
}

TEST_CASE("depth, nodes and text are bounded, with and without aliases") {
  CHECK_NOTHROW(parse_text(times("- ", 63) + "x"));
  CHECK_NOTHROW(parse_text(times("[", 64) + times("]", 64)));
  CHECK(yaml_error(times("- ", 100) + "x") == "x.yaml:1:129: nested more than 64 levels deep");
  CHECK(yaml_error(times("[", 65) + times("]", 65)) == "x.yaml:1:65: nested more than 64 levels deep");
  CHECK(yaml_error("a: &a " + times("[", 40) + times("]", 40) + "\nb: " + times("[", 30) + "*a" + times("]", 30)) ==
        "x.yaml:2:34: nested more than 64 levels deep");
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 30; ++i) {
    const std::string alias = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + times(alias + ", ", 9) + alias + "]\n";
  }
  CHECK(yaml_error(bomb).ends_with("more than 1000000 values once aliases are resolved"));
  CHECK(yaml_error("a: &a " + std::string(std::size_t{1} << 20U, 'x') + "\nb: [" + times("*a, ", 100) + "]\n")
            .ends_with("more than 64MiB of text once aliases are resolved"));
}

TEST_CASE("a huge value is cut in messages") {
  const YamlNode root = parse_text(std::string(1'000'000, 'v'));
  CHECK(error_text([&] { root.require_mapping("configuration"); }) ==
        "x.yaml:1:1: configuration: expected a mapping, found the value '" + std::string(80, 'v') + "...'");
  const std::string key(500, 'k');
  CHECK(error_text([&] { parse_text(key + ": 1").require_known_keys("it", {"a"}); }) ==
        "x.yaml:1:1: unknown key '" + std::string(80, 'k') + "...' in it; accepted are a");
}

TEST_CASE("hostile repetitions end soon, one way or the other") {
  for (const char* unit : {"[",   "{",    "- ",  "? ",  ": ",    "a: ",  "\"",   "'",     "|\n",   "&a ",
                           "*a ", "#",    "\t",  "\n",  "\r",    "!",    "%",    "---\n", "...\n", "a\n",
                           "[],", "\"\\", "-\n", "?\n", ":\n",   "a:\n", "[a: ", "{a: ",  " a:\n", "@",
                           "`",   ",",    "]",   "}",   "? a\n", ">\n",  "\\",   "&a\n",  "!<",    "!!"}) {
    INFO(unit);
    survives(times(unit, 50'000));
    survives("[" + times(unit, 50'000));
    survives("a: " + times(unit, 50'000));
  }
}

TEST_CASE("random texts of YAML's own characters end in a document or a ConfigError") {
  const std::string alphabet = "ab:,[]{}&*!|>'\"%@`#-?~<\\ \t\r\n.0";
  std::mt19937 random{4711};
  std::uniform_int_distribution<std::size_t> letter{0, alphabet.size() - 1};
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    const std::size_t length = random() % 60;
    while (text.size() < length) text += alphabet[letter(random)];
    INFO(text);
    survives(text);
  }
}
