#include <sluice/config.hpp>
#include <sluice/detail/config_keys.hpp>

#include "unit/topic/scoped_environment.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>

using namespace sluice;

namespace {

std::filesystem::path shipped(const std::string& name) {
  return std::filesystem::path{__FILE__}.parent_path() / "../../../config" / name;
}

std::string read(const std::filesystem::path& path) {
  std::ifstream file{path};
  REQUIRE(file);
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// `key:` at the beginning of a line or inside one, commented out or not.
bool shows_key(const std::string& text, std::string_view key) {
  std::istringstream lines{text};
  const std::string wanted = std::string{key} + ":";
  for (std::string line; std::getline(lines, line);) {
    const std::size_t start = line.find_first_not_of(" #");
    if (start != std::string::npos && line.compare(start, wanted.size(), wanted) == 0) return true;
  }
  return false;
}

std::string table_row(const detail::ConfigKey& key) {
  const auto cell = [](std::string_view text) { return text.empty() ? std::string{"-"} : std::string{text}; };
  const std::string transport = key.transport.empty() ? "" : " (" + std::string{key.transport} + ")";
  return "| `" + std::string{key.name} + "`" + transport + " | " + cell(key.accepted) + " | " +
         cell(key.default_value) + " | " + std::string{key.help} + " |\n";
}

}  // namespace

TEST_CASE("defaults.yaml loads, and its defaults are the defaults") {
  const test::ScopedEnvironment domain{"SLUICE_DOMAIN", ""};
  const Config config = Config::load({shipped("defaults.yaml").string()});
  TopicSpec spec = config.topic("/anything/else");
  CHECK_FALSE(spec.origins.empty());
  spec.origins.clear();
  const TopicSpec plain = Config{}.topic("/anything/else");
  CHECK(spec.qos == plain.qos);
  CHECK(spec.transport == plain.transport);
  CHECK(spec.max_size == plain.max_size);
  CHECK(spec.timestamps == plain.timestamps);
  CHECK(config.domain().domain == Config{}.domain().domain);
  CHECK(config.domain().mode == Config{}.domain().mode);
  CHECK(config.topic("/example/command").qos.reliability == Reliability::reliable);
}

TEST_CASE("defaults.yaml shows every key") {
  const std::string text = read(shipped("defaults.yaml"));
  for (const detail::ConfigKey& key : detail::domain_keys()) {
    INFO(key.name);
    CHECK(shows_key(text, key.name));
  }
  for (const detail::ConfigKey& key : detail::topic_keys()) {
    INFO(key.name);
    CHECK(shows_key(text, key.name));
  }
}

TEST_CASE("the tables of config/README.md are the tables of the program") {
  const std::string text = read(shipped("README.md"));
  for (const detail::ConfigKey& key : detail::domain_keys()) {
    const std::string row = table_row(key);
    INFO(row);
    CHECK(text.find(row) != std::string::npos);
  }
  for (const detail::ConfigKey& key : detail::topic_keys()) {
    const std::string row = table_row(key);
    INFO(row);
    CHECK(text.find(row) != std::string::npos);
  }
}

TEST_CASE("every key that is documented is accepted, and the documented default is the default") {
  for (const detail::ConfigKey& key : detail::topic_keys()) {
    if (key.default_value.empty()) continue;
    const std::string name{key.name};
    const TopicSpec spec =
        Config::parse("topics: {/a: {" + name + ": " + std::string{key.default_value} + "}}", "x.yaml").topic("/a");
    const TopicSpec plain = Config{}.topic("/a");
    INFO(name);
    CHECK(spec.origins.count(name) == 1);
    if (!key.transport.empty()) continue;
    CHECK(spec.qos == plain.qos);
    CHECK(spec.transport == plain.transport);
    CHECK(spec.max_size == plain.max_size);
    CHECK(spec.timestamps == plain.timestamps);
  }
}

TEST_CASE("damaged copies of defaults.yaml load or are refused with a place, and do nothing else") {
  const std::string intact = read(shipped("defaults.yaml"));
  std::mt19937 random{1234};
  const auto below = [&](std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>{0, bound - 1}(random);
  };
  for (int round = 0; round < 1'500; ++round) {
    std::string text = intact;
    for (std::size_t damage = 1 + below(4); damage > 0; --damage) {
      const std::size_t at = below(text.size());
      switch (below(4)) {
        case 0: text[at] = static_cast<char>(below(256)); break;
        case 1: text.erase(at, 1 + below(40)); break;
        case 2: text.insert(at, text.substr(below(text.size()), below(60))); break;
        default: text.insert(at, 1, "*&{}[]:,'\"#-?|>\n "[below(17)]); break;
      }
    }
    INFO(text);
    try {
      static_cast<void>(Config::parse(text, "damaged.yaml").topic("/example/image"));
    } catch (const ConfigError& error) {
      CHECK(error.origin().line > 0);
      CHECK(error.origin().column > 0);
    }
  }
}
