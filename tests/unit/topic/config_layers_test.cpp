#include <sluice/config.hpp>

#include "support/temporary_directory.hpp"
#include "unit/topic/error_text.hpp"
#include "unit/topic/scoped_environment.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace sluice;
using sluice::test::error_text;

namespace {

Config parse(const std::string& text) { return Config::parse(text, "x.yaml"); }

/// Configuration files that are removed at the end.
class Files {
 public:
  std::string write(const std::string& name, const std::string& text) const {
    const std::string path = directory_.path() + "/" + name;
    std::ofstream{path} << text;
    return path;
  }

 private:
  test::TemporaryDirectory directory_;
};

/// Whether `pattern` names `topic`.
bool matches(const std::string& pattern, const std::string& topic) {
  return parse("topics: {'" + pattern + "': {depth: 4}}").mentions(topic);
}

/// Which of two patterns decides about `topic`: "first", "second" or the error.
std::string decides(const std::string& first, const std::string& second, const std::string& topic) {
  const Config config = parse("topics: {'" + first + "': {type: first}, '" + second + "': {type: second}}");
  try {
    return config.topic(topic).type.name;
  } catch (const ConfigError& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("'*' stands for one token and '**' for any number of them") {
  CHECK(matches("/a/*", "/a/b"));
  CHECK_FALSE(matches("/a/*", "/a"));
  CHECK_FALSE(matches("/a/*", "/a/b/c"));
  CHECK_FALSE(matches("/a/*", "/b/a"));
  CHECK(matches("/a/**", "/a"));
  CHECK(matches("/a/**", "/a/b"));
  CHECK(matches("/a/**", "/a/b/c"));
  CHECK_FALSE(matches("/a/**", "/ab"));
  CHECK(matches("/**", "/a/b/c"));
  CHECK(matches("**", "/a"));
  CHECK(matches("/*/b", "/a/b"));
  CHECK(matches("/**/b", "/b"));
  CHECK(matches("/**/b", "/a/b/b"));
  CHECK_FALSE(matches("/**/b", "/b/a"));
  CHECK(matches("/a/**/z", "/a/z"));
  CHECK(matches("/a/**/z", "/a/z/y/z"));
  CHECK(matches("/**/b/**/d", "/a/b/c/b/d"));
  CHECK_FALSE(matches("/**/b/**/d", "/a/d/c/b"));
  CHECK(matches("/**/*", "/a"));
  CHECK_FALSE(matches("/**/*/*", "/a"));
  CHECK(matches("/*/**/*", "/a/b"));
}

TEST_CASE("matching many '**' takes no exponential time") {
  std::string pattern;
  std::string name;
  for (int i = 0; i < 55; ++i) pattern += "/**/a";
  for (int i = 0; i < 115; ++i) name += "/a";
  CHECK_FALSE(matches(pattern.substr(0, 230) + "/b", name));
  CHECK(matches(pattern.substr(0, 230), name));
}

TEST_CASE("the most specific entry wins, whatever the order in the file") {
  const auto wins = [](const std::string& winner, const std::string& loser, const std::string& topic) {
    CHECK(decides(winner, loser, topic) == "first");
    CHECK(decides(loser, winner, topic) == "second");
  };
  wins("/a/b", "/a/*", "/a/b");
  wins("/a/b", "/**", "/a/b");
  wins("/a/*", "/*/*", "/a/b");
  wins("/a/b/**", "/a/**", "/a/b/c");
  wins("/a/*/c", "/a/**", "/a/b/c");
  wins("/a/**/c", "/**/c", "/a/b/c");
  wins("/a/*", "/a/**", "/a/b");
  wins("/a/*/*", "/a/**", "/a/b/c");
  wins("/a/**", "/**/a/**", "/a/b");
  wins("/*/**", "/**", "/a/b");
  wins("/*", "/**", "/a");
}

TEST_CASE("equally specific patterns may agree, but not disagree") {
  CHECK(decides("/a/*", "/*/b", "/a/b") ==
        "x.yaml:1:48: topic '/a/b': type is set to 'second' by '/*/b' here and to 'first' by '/a/*' at x.yaml:1:25, "
        "and neither pattern is more specific; remove one of them, or set it for the topic itself");
  CHECK(parse("topics: {/a/*: {max_size: 8MiB}, '/*/b': {max_size: 8192KiB}}").topic("/a/b").max_size == 8'388'608);
  CHECK(parse("topics: {/a/*: {deadline: 1s}, '/*/b': {deadline: 1000ms, depth: 3}}").topic("/a/b").qos.depth == 3);
  const Config settled = parse("topics: {/a/*: {depth: 1}, '/*/b': {depth: 2}, /a/b: {depth: 3}}");
  CHECK(settled.topic("/a/b").qos.depth == 3);
  CHECK(settled.topic("/a/c").qos.depth == 1);
  CHECK(settled.topic("/c/b").qos.depth == 2);
}

TEST_CASE("entries are combined key by key, and each value keeps its place") {
  const Config config = parse(R"(topics:
  /**:        {depth: 4, deadline: 1s, type: a/A}
  /camera/**: {depth: 8, max_size: 8MiB}
  /camera/*:  {type: b/B}
  /camera/left: {max_size: 4MiB}
)");
  const TopicSpec spec = config.topic("/camera/left");
  CHECK(spec.qos.deadline == std::chrono::seconds{1});
  CHECK(spec.origin("deadline").text() == "x.yaml:2:36");
  CHECK(spec.qos.depth == 8);
  CHECK(spec.origin("depth").text() == "x.yaml:3:23");
  CHECK(spec.type.name == "b/B");
  CHECK(spec.origin("type").text() == "x.yaml:4:22");
  CHECK(spec.max_size == 4'194'304);
  CHECK(spec.origin("max_size").text() == "x.yaml:5:28");
  CHECK(config.topic("/other").qos.depth == 4);
  CHECK(config.topic_patterns() == std::vector<std::string>{"/**", "/camera/*", "/camera/**"});
  CHECK(config.topic_names() == std::vector<std::string>{"/camera/left"});
}

TEST_CASE("transport options follow the same rules") {
  const Config config = parse("topics: {/**: {evict_after: 1s}, /a: {evict_after: 2s, channel: c}}");
  CHECK(config.topic("/a").options.at("evict_after").value == "2s");
  CHECK(config.topic("/a").options.at("channel").origin.text() == "x.yaml:1:65");
  CHECK(config.topic("/b").options.at("evict_after").value == "1s");
  CHECK(config.topic("/b").options.size() == 1);
}

TEST_CASE("later files override earlier ones key by key") {
  const test::ScopedEnvironment no_domain{"SLUICE_DOMAIN", ""};
  const Files files;
  const std::string first = files.write("1.yaml",
                                        "domain: 1\nmode: 0660\ntopics:\n  /a: {depth: 4, type: a/A}\n"
                                        "  /b/*: {depth: 5}\n");
  const std::string second = files.write("2.yaml",
                                         "domain: 2\ntopics:\n  a: {depth: 8}\n  /b/*: {depth: 6}\n"
                                         "  /**: {type: z/Z}\n");
  const Config config = Config::load({first, second});
  CHECK(config.domain().domain == 2);
  CHECK(config.domain().mode == 0660);
  CHECK(config.domain().origins.at("domain").text() == second + ":1:9");
  CHECK(config.domain().origins.at("mode").text() == first + ":2:7");
  CHECK(config.topic("/a").qos.depth == 8);
  CHECK(config.topic("/a").origin("depth").text() == second + ":3:14");
  CHECK(config.topic("/a").type.name == "a/A");
  CHECK(config.topic("/b/x").qos.depth == 6);
  CHECK(Config::load({second, first}).topic("/a").qos.depth == 4);
}

TEST_CASE("a contradiction across two files names both") {
  const Files files;
  const std::string first = files.write("1.yaml", "topics: {/a: {reliability: best_effort}}\n");
  const std::string second = files.write("2.yaml", "topics: {/a: {max_blocking_time: 1s}}\n");
  CHECK(error_text([&] {
          return Config::load({first, second});
        }) == second + ":1:34: topic '/a': max_blocking_time 1s contradicts reliability: best_effort at " + first +
                  ":1:28; set reliability: reliable, or remove max_blocking_time");
}

TEST_CASE("files that cannot be loaded") {
  CHECK(error_text([] { return Config::load({"/nonexistent/x.yaml"}); }) ==
        "/nonexistent/x.yaml: cannot read this file: No such file or directory");
  CHECK(Config::load({}).topic_names().empty());
}

TEST_CASE("too many topics or wildcards are refused, and the most that are accepted load at once") {
  std::string topics;
  for (int i = 0; i < 10'000; ++i) topics += "  /a" + std::to_string(i) + "/b/c: {}\n";
  std::string wildcards;
  for (int i = 0; i < 1'000; ++i) wildcards += "  /**/*/a" + std::to_string(i) + "/**: {}\n";
  CHECK(parse("topics:\n" + topics + wildcards).topic_names().size() == 10'000);
  CHECK(error_text([&] { return parse("topics:\n" + topics + "  /more: {}\n"); }) ==
        "x.yaml:10002:3: topic '/more' is one too many: at most 10000 topics and 1000 wildcards are accepted");
  CHECK(error_text([&] { return parse("topics:\n" + wildcards + "  /more/*: {}\n"); }) ==
        "x.yaml:1002:3: topic '/more/*' is one too many: at most 10000 topics and 1000 wildcards are accepted");
}
