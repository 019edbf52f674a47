#include "conformance/suite.hpp"
#include "conformance/topic.hpp"

// Options, and settings that two sides must share.
namespace sluice::conformance {

namespace {

constexpr const char* kSettingPlace = "conformance.yaml:3:7";  // as Topic::write_down says
constexpr const char* kOptionPlace = "conformance.yaml:4:9";   // as Topic::set_option says

std::string refused_option(Topic& topic, const std::string& key) {
  std::string text = refusal<ConfigError>([&] { topic.registry().check(topic.spec); }, "the option " + key);
  expect_named(text, kOptionPlace);
  expect_named(text, topic.spec.name);
  expect_named(text, key);
  return text;
}

void check_unknown_option(Topic& topic) {
  topic.registry().check(topic.spec);  // what the command line gave is right
  topic.set_option("no_such_option", "1");
  (void)refused_option(topic, "no_such_option");
}

/// Without the last letter: a typing mistake.
void check_near_miss(Topic& topic) {
  std::vector<std::string> known;
  for (const auto& [key, value] : topic.settings().options) known.push_back(key);
  for (const auto& [key, value] : topic.settings().wrong_options) known.push_back(key);
  for (const std::string& key : known) {
    const TopicSpec intact = topic.spec;
    const std::string mistyped = key.substr(0, key.size() - 1);
    topic.set_option(mistyped, "1");
    expect_named(refused_option(topic, mistyped), "'" + key + "'");
    topic.spec = intact;
  }
}

void check_wrong_option(Topic& topic) {
  for (const auto& [key, value] : topic.settings().wrong_options) {
    const TopicSpec intact = topic.spec;
    topic.set_option(key, value);
    expect_named(refused_option(topic, key), value);
    topic.spec = intact;
  }
}

/// What the transport's traits do not offer must end before a file is touched.
void check_not_offered(Topic& topic) {
  const TopicSpec intact = topic.spec;
  topic.spec.qos.reliability = Reliability::reliable;
  topic.write_down("reliability");
  if (!topic.traits().reliable) {
    const std::string text = refusal<ConfigError>([&] { topic.registry().check(topic.spec); }, "reliability: reliable");
    expect_named(text, kSettingPlace);
    expect_named(text, "reliable");
  }
  topic.spec = intact;
  topic.spec.qos.durability = Durability::transient_local;
  topic.spec.qos.history = 1;
  topic.write_down("durability");
  if (!topic.traits().transient_local) {
    const std::string text = refusal<ConfigError>([&] { topic.registry().check(topic.spec); }, "transient_local");
    expect_named(text, kSettingPlace);
    expect_named(text, "transient_local");
  }
}

/// A second endpoint whose `key` was written down otherwise is refused, and the first does not notice.
void check_contradiction(Topic& topic, const std::string& key, const std::string& ours, const std::string& theirs,
                         const std::function<void(TopicSpec&)>& change) {
  for (const bool second_reads : {true, false}) {
    const TopicSpec intact = topic.spec;
    std::unique_ptr<Writer> writer;
    std::unique_ptr<Reader> reader;
    if (second_reads) {
      writer = topic.writer();
    } else {
      reader = topic.reader();
    }
    change(topic.spec);
    topic.write_down(key);
    const auto open = [&] { second_reads ? (void)topic.reader() : (void)topic.writer(); };
    const std::string text = refusal<ConfigError>(open, "a second endpoint with another " + key);
    for (const std::string& part : {topic.spec.name, key, ours, theirs}) expect_named(text, part);
    // The size of a type comes from the program; everything else has a place in the YAML.
    if (key != "size") expect_named(text, kSettingPlace);
    topic.spec = intact;
    if (!writer) writer = topic.writer();
    if (!reader) reader = topic.reader();
    expect_alive(topic, *writer, *reader);
  }
}

void check_type(Topic& topic) {
  check_contradiction(topic, "type", "conformance/Other", "conformance/Message",
                      [](TopicSpec& spec) { spec.type.name = "conformance/Other"; });
}

void check_type_size(Topic& topic) {
  topic.spec.type.fixed_size = 48;
  check_contradiction(topic, "size", "56", "48", [](TopicSpec& spec) { spec.type.fixed_size = 56; });
}

void check_reliability(Topic& topic) {
  check_contradiction(topic, "reliability", "reliable", "best_effort", [](TopicSpec& spec) {
    const bool reliable = spec.qos.reliability == Reliability::reliable;
    spec.qos.reliability = reliable ? Reliability::best_effort : Reliability::reliable;
  });
}

void check_depth(Topic& topic) {
  const std::uint32_t other = topic.spec.qos.depth * 4;
  check_contradiction(topic, "depth", std::to_string(other), std::to_string(topic.spec.qos.depth),
                      [&](TopicSpec& spec) { spec.qos.depth = other; });
}

void check_max_size(Topic& topic) {
  const std::size_t other = topic.spec.max_size * 2;
  check_contradiction(topic, "max_size", std::to_string(other), std::to_string(topic.spec.max_size),
                      [&](TopicSpec& spec) { spec.max_size = other; });
}

void check_silent(Topic& topic) {
  auto writer = topic.writer();
  topic.spec.type.name.clear();
  topic.spec.qos.depth *= 4;
  auto reader = topic.reader();
  expect_alive(topic, *writer, *reader);
}

}  // namespace

void add_agreement(Suite& suite) {
  suite.add("unknown_option", "an option that the transport does not know is refused at its place", {},
            check_unknown_option);
  suite.add("near_miss", "a mistyped option is answered with the right one", {}, check_near_miss);
  suite.add("wrong_option", "a wrong value of an option is refused with its place", {Need::wrong_option_given},
            check_wrong_option);
  suite.add("not_offered", "what the traits do not offer is refused at its place", {}, check_not_offered);
  suite.add("another_type", "a second endpoint of another type is refused, and both types are named",
            {Need::own_format}, check_type);
  suite.add("another_type_size", "a type of the same name and another size is refused, and both sizes are named",
            {Need::own_format, Need::any_size}, check_type_size);
  suite.add("another_reliability", "a second endpoint of another reliability is refused, and both are named",
            {Need::own_format, Need::either_reliability}, check_reliability);
  suite.add("another_depth", "a second endpoint of another depth is refused, and both are named",
            {Need::own_format, Need::queue}, check_depth);
  suite.add("another_max_size", "a second endpoint of another max_size is refused, and both are named",
            {Need::own_format}, check_max_size);
  suite.add("silent_settings", "who writes no settings down takes those of the topic", {Need::own_format},
            check_silent);
}

}  // namespace sluice::conformance
