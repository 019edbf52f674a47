#include <sluice/config.hpp>

#include "unit/topic/error_text.hpp"
#include "unit/topic/scoped_environment.hpp"

#include <catch2/catch.hpp>

#include <unistd.h>

#include <chrono>

using namespace sluice;
using namespace std::chrono_literals;
using sluice::test::error_text;
using sluice::test::ScopedEnvironment;

namespace {

Config parse_config(const std::string& text) { return Config::parse(text, "x.yaml"); }
std::string parse_error(const std::string& text) {
  return error_text([&] { return parse_config(text); });
}
/// The error of an entry `/a: {SETTINGS}`; the settings begin at column 8 of line 1.
std::string setting_error(const std::string& settings) { return parse_error("topics: {/a: {" + settings + "}}"); }
const std::string kTopic = " of topic '/a': ";

}  // namespace

TEST_CASE("the golden path: every common key, with its place") {
  const ScopedEnvironment no_domain{"SLUICE_DOMAIN", ""};
  const Config config = parse_config(R"(
domain: 7
topics:
  /imu/raw:
    type: demo/Imu
    transport: slick
    max_size: 8MiB
    timestamps: off
    reliability: reliable
    depth: 1024
    durability: transient_local
    history: 10
    deadline: 20ms
    liveliness: 2s
    max_blocking_time: 50ms
    evict_after: 1s
)");
  const TopicSpec spec = config.topic("/imu/raw");
  CHECK(spec.name == "/imu/raw");
  CHECK(spec.type.name == "demo/Imu");
  CHECK(spec.transport == "slick");
  CHECK(spec.max_size == 8'388'608);
  CHECK_FALSE(spec.timestamps);
  CHECK(spec.qos == QoS{Reliability::reliable, 1024, Durability::transient_local, 10, 20ms, 2s, 50ms});
  CHECK(spec.options.at("evict_after").value == "1s");
  CHECK(spec.options.at("evict_after").origin.text() == "x.yaml:16:18");
  CHECK(spec.origins.size() == 12);
  CHECK(spec.origin("type").text() == "x.yaml:5:11");
  CHECK(spec.origin("evict_after").text() == "x.yaml:16:18");
  CHECK(spec.origin("segment").text() == "default");
  CHECK(config.domain().domain == 7);
  CHECK(config.domain().origins.at("domain").text() == "x.yaml:2:9");
}

TEST_CASE("the example of the design parses") {
  const Config config = parse_config(R"(domain: 0
topics:
  /imu/raw:      {type: demo/Imu, transport: slick, depth: 1024, reliability: reliable}
  /camera/image: {transport: slick, max_size: 8MiB, depth: 8}
  /ticks:        {transport: slick, segment: /ticks, element: 64}          # shared with a SlickQueue program
  /robot/cmd:    {transport: eshm, channel: robot, direction: master_to_slave, stale_after: 100ms}
  /robot/state:  {transport: eshm, channel: robot, direction: slave_to_master}
)");
  CHECK(config.topic_names() ==
        std::vector<std::string>{"/camera/image", "/imu/raw", "/robot/cmd", "/robot/state", "/ticks"});
  CHECK(config.topic("/ticks").options.at("segment").value == "/ticks");
  CHECK(config.topic("/robot/cmd").transport == "eshm");
}

TEST_CASE("a topic that nobody mentions gets the defaults") {
  const Config config = parse_config("topics: {/a: {depth: 4}}");
  const TopicSpec spec = config.topic("/b");
  CHECK(spec.qos == QoS{});
  CHECK(spec.transport == "slick");
  CHECK(spec.max_size == 4096);
  CHECK(spec.timestamps);
  CHECK(spec.origins.empty());
  CHECK(spec.options.empty());
  CHECK_FALSE(config.mentions("/b"));
  CHECK(config.mentions("/a"));
}

TEST_CASE("empty files, empty topics and empty entries") {
  for (const char* text : {"", "# nothing\n", "topics:\n", "topics: {}\n", "{}"}) {
    CHECK(parse_config(text).topic_names().empty());
  }
  CHECK(parse_config("topics:\n  /a:\n  /b: {}\n").mentions("/a"));
  CHECK(parse_config("topics:\n  /a:\n  /b: {}\n").topic("/a").origins.empty());
}

TEST_CASE("relative names in a file are names in the root namespace") {
  CHECK(parse_config("topics: {imu/raw: {depth: 4}}").topic("/imu/raw").qos.depth == 4);
  CHECK(parse_config("topics: {'camera/*': {depth: 4}}").topic("/camera/left").qos.depth == 4);
  CHECK(parse_config("topics: {imu/raw: {depth: 4}}").topic_names() == std::vector<std::string>{"/imu/raw"});
  CHECK(parse_error("topics:\n  imu/raw: {depth: 4}\n  /imu/raw: {depth: 4}\n") ==
        "x.yaml:3:3: topic '/imu/raw' was already given at x.yaml:2:3; merge the two entries");
  CHECK(parse_error("topics:\n  /a/*: {depth: 4}\n  a/*: {}\n") ==
        "x.yaml:3:3: topic '/a/*' was already given at x.yaml:2:3; merge the two entries");
}

TEST_CASE("bad topic names in a file") {
  CHECK(parse_error("topics: {a//b: {}}") ==
        "x.yaml:1:10: topic name 'a//b': empty token at position 3 (names must not contain '//')");
  CHECK(parse_error("topics: {~/x: {}}") ==
        "x.yaml:1:10: topic name '~/x': character '~' at position 1 (names have letters, digits, '_' and '/' only)");
  CHECK(parse_error("topics:\n  /cam*/x: {}\n") ==
        "x.yaml:2:3: topic name '/cam*/x': token 'cam*' at position 2 (a wildcard is a whole token: '*' or '**')");
  CHECK(parse_error("topics: {/***: {}}") ==
        "x.yaml:1:10: topic name '/***': token '***' at position 2 (a wildcard is a whole token: '*' or '**')");
  CHECK(parse_error("topics: {'': {}}") == "x.yaml:1:10: topic name '': a name needs at least one character");
  CHECK(error_text([] { return Config{}.topic("a"); }) ==
        "topic name 'a': it must be fully qualified, beginning with '/'");
  CHECK(error_text([] { return Config{}.topic("/a/*"); }) ==
        "topic name '/a/*': character '*' at position 4 (names have letters, digits, '_' and '/' only)");
}

TEST_CASE("unknown keys, with the nearest known one") {
  CHECK(parse_error("domian: 1") == "x.yaml:1:1: unknown key 'domian' in the configuration; did you mean 'domain'?");
  CHECK(parse_error("colour: red") ==
        "x.yaml:1:1: unknown key 'colour' in the configuration; accepted are domain, "
        "runtime_dir, group, mode, plugin_path, log_level, log_dir, log_max_size, log_files, topics, nodes");
  CHECK(setting_error("relaibility: reliable") ==
        "x.yaml:1:15: unknown key 'relaibility' in topic '/a'; did you mean 'reliability'?");
  CHECK(setting_error("chanel: robot") == "x.yaml:1:15: unknown key 'chanel' in topic '/a'; did you mean 'channel'?");
  CHECK(setting_error("colour: red") ==
        "x.yaml:1:15: unknown key 'colour' in topic '/a'; accepted are type, transport, max_size, timestamps, "
        "reliability, depth, durability, history, deadline, liveliness, max_blocking_time, segment, element, adopt, "
        "group, mode, hole_timeout, stall_timeout, evict_after, max_publishers, max_subscribers, max_groups, "
        "inline_limit, chunks, max_loans, max_views, channel, direction, stale_after, protocol");
}

TEST_CASE("options of a transport that is not shipped are left to it, with their places") {
  const Config config = parse_config("topics:\n  /a: {transport: mailbox, slots: 8, depth: 4}\n");
  const TopicSpec spec = config.topic("/a");
  CHECK(spec.transport == "mailbox");
  CHECK(spec.qos.depth == 4);
  REQUIRE(spec.options.size() == 1);
  CHECK(spec.options.at("slots").value == "8");
  CHECK(spec.options.at("slots").origin.text() == "x.yaml:2:35");
  SECTION("whichever entry names the transport") {
    const Config layered = parse_config("topics: {/**: {transport: mailbox}, '/cam/*': {slots: 8}}");
    CHECK(layered.topic("/cam/left").options.at("slots").value == "8");
    CHECK(parse_config("topics: {/**: {transport: mailbox}, /a: {slots: 8}}").topic("/a").options.count("slots") == 1);
  }
  SECTION("but not on a topic that a shipped transport carries") {
    const std::string refused = "unknown key 'slots' in topic '/cam/left'; accepted are type, transport, ";
    CHECK(parse_error("topics: {/**: {transport: mailbox}, /cam/left: {transport: slick, slots: 8}}")
              .starts_with("x.yaml:1:67: " + refused));
    const Config wildcard = parse_config("topics: {/b: {transport: mailbox}, '/cam/*': {slots: 8}}");
    CHECK(error_text([&] { return wildcard.topic("/cam/left"); }).starts_with("x.yaml:1:47: " + refused));
  }
  SECTION("a wildcard's unknown keys are refused at once when nobody can have meant them") {
    const std::string refused = "unknown key 'slots' in topic '/cam/*'; accepted are type, transport, ";
    CHECK(parse_error("topics: {'/cam/*': {slots: 8}}").starts_with("x.yaml:1:21: " + refused));
    CHECK(parse_error("topics: {/b: {transport: mailbox}, '/cam/*': {transport: inproc, slots: 8}}")
              .starts_with("x.yaml:1:66: " + refused));
  }
  SECTION("what cannot be an option's name is no key for anybody") {
    CHECK(parse_error("topics: {/a: {transport: mailbox, 'two words': 8}}")
              .starts_with("x.yaml:1:35: unknown key 'two words' in topic '/a'; accepted are "));
    CHECK(parse_error("topics: {/a: {transport: mailbox, slots: [8]}}") ==
          "x.yaml:1:42: slots" + kTopic + "expected a value, found a list");
  }
}

TEST_CASE("wrong kinds of YAML") {
  CHECK(parse_error("[1]") == "x.yaml:1:1: configuration: expected a mapping, found a list");
  CHECK(parse_error("word") == "x.yaml:1:1: configuration: expected a mapping, found the value 'word'");
  CHECK(parse_error("topics: [a]") == "x.yaml:1:9: topics: expected a mapping, found a list");
  CHECK(parse_error("topics: {/a: 3}") == "x.yaml:1:14: topic '/a': expected a mapping, found the value '3'");
  CHECK(setting_error("depth: [1]") == "x.yaml:1:22: depth" + kTopic + "expected a value, found a list");
  CHECK(setting_error("channel: {a: b}") == "x.yaml:1:24: channel" + kTopic + "expected a value, found a mapping");
  CHECK(parse_error("topics:\n  /a:\n    depth:\n") ==
        "x.yaml:3:5: depth" + kTopic + "expected a value, found nothing");
  CHECK(parse_error("domain:\ntopics:\n") == "x.yaml:1:1: domain: expected a value, found nothing");
}

TEST_CASE("values of topic settings: every refusal in full") {
  const std::string at_depth = "x.yaml:1:22: depth" + kTopic;
  const std::string range = " is not accepted; expected a whole number from 1 to 1048576";
  for (const char* bad : {"0", "1048577", "-1", "many", "1.5", "0x10", "4294967297", "99999999999999999999", "' 1'"}) {
    const std::string shown = bad == std::string{"' 1'"} ? bad : "'" + std::string{bad} + "'";
    CHECK(setting_error("depth: " + std::string{bad}) == at_depth + shown + range);
  }
  CHECK(setting_error("history: 0") == "x.yaml:1:24: history" + kTopic + "'0'" + range);
  CHECK(setting_error("type: ''") ==
        "x.yaml:1:21: type" + kTopic + "'' is not accepted; expected a type name without spaces, such as demo/Imu");
  CHECK(setting_error("transport: ../x") == "x.yaml:1:26: transport" + kTopic +
                                                "'../x' is not accepted; expected the name of a transport (letters, "
                                                "digits, '_' and '-'), such as slick");
  CHECK(setting_error("max_size: 0") ==
        "x.yaml:1:25: max_size" + kTopic + "'0' is not accepted; expected a size from 1B to 1GiB");
  CHECK(setting_error("max_size: 2GiB") ==
        "x.yaml:1:25: max_size" + kTopic + "'2GiB' is not accepted; expected a size from 1B to 1GiB");
  CHECK(setting_error("max_size: 8m") ==
        "x.yaml:1:25: max_size" + kTopic +
            "size '8m' has the unknown unit 'm'; accepted is a number with B, kB, KB, MB, GB, KiB, MiB or GiB, "
            "such as 64KiB");
  CHECK(setting_error("timestamps: maybe") ==
        "x.yaml:1:27: timestamps" + kTopic + "'maybe' is not accepted; expected on or off");
  CHECK(setting_error("reliability: reliabel") ==
        "x.yaml:1:28: reliability" + kTopic +
            "'reliabel' is not accepted; expected best_effort or reliable; did you mean 'reliable'?");
  CHECK(setting_error("durability: durable") ==
        "x.yaml:1:27: durability" + kTopic + "'durable' is not accepted; expected volatile or transient_local");
  CHECK(setting_error("deadline: 0") ==
        "x.yaml:1:25: deadline" + kTopic + "'0' is not accepted; expected a duration above 0, such as 100ms");
  CHECK(setting_error("liveliness: 0s") ==
        "x.yaml:1:27: liveliness" + kTopic + "'0s' is not accepted; expected a duration above 0, such as 100ms");
  CHECK(setting_error("deadline: 5") ==
        "x.yaml:1:25: deadline" + kTopic +
            "duration '5' has no unit; accepted is a number with ns, us, ms, s, min or h, such as 100ms");
  CHECK(setting_error("channel: ''") == "x.yaml:1:24: channel" + kTopic + "'' is not accepted; expected a value");
}

TEST_CASE("the largest and smallest accepted values") {
  const TopicSpec spec = parse_config(
                             "topics: {/a: {depth: 1048576, max_size: 1GiB, durability: transient_local, "
                             "history: 1048576, reliability: reliable, max_blocking_time: 0}}")
                             .topic("/a");
  CHECK(spec.qos.depth == 1'048'576);
  CHECK(spec.qos.history == 1'048'576);
  CHECK(spec.max_size == std::size_t{1} << 30U);
  CHECK(spec.qos.max_blocking_time == 0ns);
  CHECK(parse_config("topics: {/a: {max_size: 1, timestamps: true}}").topic("/a").max_size == 1);
}

TEST_CASE("settings that contradict each other name both places") {
  CHECK(parse_error("topics:\n  /a:\n    reliability: best_effort\n    max_blocking_time: 50ms\n") ==
        "x.yaml:4:24: topic '/a': max_blocking_time 50ms contradicts reliability: best_effort at x.yaml:3:18; set "
        "reliability: reliable, or remove max_blocking_time");
  CHECK(setting_error("history: 3, durability: volatile") ==
        "x.yaml:1:24: topic '/a': history 3 contradicts durability: volatile at x.yaml:1:39; set durability: "
        "transient_local, or remove history");
  CHECK(setting_error("history: 3") ==
        "x.yaml:1:24: topic '/a': history 3 has no effect with durability: volatile (default); set durability: "
        "transient_local, or remove it");
  CHECK(setting_error("durability: transient_local") ==
        "x.yaml:1:27: topic '/a': durability: transient_local needs history, the number of messages for a late "
        "joiner; add history: 1");
  CHECK(setting_error("durability: transient_local, history: 17") ==
        "x.yaml:1:53: topic '/a': history 17 is more than depth 16 (default); raise depth, or lower history");
  CHECK(setting_error("durability: transient_local, history: 9, depth: 8") ==
        "x.yaml:1:53: topic '/a': history 9 is more than depth 8 at x.yaml:1:63; raise depth, or lower history");
}

TEST_CASE("contradictions between a wildcard and an exact entry count too") {
  CHECK(parse_error("topics:\n  /**: {max_blocking_time: 50ms}\n  /a: {reliability: best_effort}\n") ==
        "x.yaml:2:28: topic '/a': max_blocking_time 50ms contradicts reliability: best_effort at x.yaml:3:21; set "
        "reliability: reliable, or remove max_blocking_time");
  const Config config = parse_config("topics:\n  /**: {durability: volatile}\n  /b/*: {history: 2}\n");
  CHECK(error_text([&] { return config.topic("/b/x"); }) ==
        "x.yaml:3:19: topic '/b/x': history 2 contradicts durability: volatile at x.yaml:2:21; set durability: "
        "transient_local, or remove history");
  CHECK(config.topic("/a").qos.durability == Durability::volatile_);
}

TEST_CASE("a wildcard entry that can never be right is refused at once; one that others complete is not") {
  CHECK(parse_error("topics: {/**: {reliability: best_effort, max_blocking_time: 1s}}") ==
        "x.yaml:1:61: topic '/**': max_blocking_time 1s contradicts reliability: best_effort at x.yaml:1:29; set "
        "reliability: reliable, or remove max_blocking_time");
  const Config config = parse_config("topics: {/**: {durability: transient_local}, /a: {history: 2}}");
  CHECK(config.topic("/a").qos.history == 2);
  CHECK(error_text([&] { return config.topic("/b"); }) ==
        "x.yaml:1:28: topic '/b': durability: transient_local needs history, the number of messages for a late "
        "joiner; add history: 1");
  CHECK(parse_config("topics: {/**: {max_blocking_time: 1s}}").topic("/a").qos.max_blocking_time == 1s);
}

TEST_CASE("domain settings") {
  const ScopedEnvironment no_domain{"SLUICE_DOMAIN", ""};
  const ScopedEnvironment no_directory{"SLUICE_RUNTIME_DIR", ""};
  const Config config = parse_config(
      "domain: 4294967295\nruntime_dir: /run/sluice//\ngroup: robots\nmode: 0660\n"
      "plugin_path: [/opt/a, b]\n");
  const DomainSettings& domain = config.domain();
  CHECK(domain.domain == 4294967295);
  CHECK(domain.runtime_dir == "/run/sluice");
  CHECK(domain.directory() == "/run/sluice/domain-4294967295");
  CHECK(domain.group == "robots");
  CHECK(domain.mode == 0660);
  CHECK(domain.plugin_path == std::vector<std::string>{"/opt/a", "b"});
  CHECK(domain.origins.at("mode").text() == "x.yaml:4:7");
  CHECK(domain.origins.size() == 5);
  CHECK(Config{}.domain().runtime_dir == "/dev/shm/sluice-" + std::to_string(::geteuid()));
  CHECK(Config{}.domain().mode == 0600);
  CHECK(Config{}.domain().origins.empty());
}

TEST_CASE("log settings") {
  const ScopedEnvironment no_level{"SLUICE_LOG_LEVEL", ""};
  const ScopedEnvironment no_directory{"SLUICE_LOG_DIR", ""};
  const DomainSettings domain =
      parse_config("log_level: warn\nlog_dir: /var/log/x/\nlog_max_size: 64KiB\nlog_files: 5\n").domain();
  CHECK(domain.log_level == "warn");
  CHECK(domain.log_dir == "/var/log/x");
  CHECK(domain.log_max_size == 65536);
  CHECK(domain.log_files == 5);
  CHECK(Config{}.domain().log_level == "info");
  CHECK(parse_error("log_level: loud") ==
        "x.yaml:1:12: log_level: 'loud' is not accepted; expected trace, debug, info, warn, error, critical or off");
  CHECK(parse_error("log_max_size: 1B") ==
        "x.yaml:1:15: log_max_size: '1B' is not accepted; expected a size of at least 4KiB");
  CHECK(parse_error("log_files: 0") ==
        "x.yaml:1:12: log_files: '0' is not accepted; expected a whole number from 1 to 1000");
  const ScopedEnvironment level{"SLUICE_LOG_LEVEL", "off"};
  CHECK(parse_config("log_level: warn").domain().log_level == "off");
  const ScopedEnvironment wrong{"SLUICE_LOG_LEVEL", "loud"};
  CHECK(parse_error("{}") ==
        "environment SLUICE_LOG_LEVEL: log_level: 'loud' is not accepted; expected trace, debug, "
        "info, warn, error, critical or off");
}

TEST_CASE("plugin directories are relative to the file that names them") {
  CHECK(Config::parse("plugin_path: lib", "/etc/robot/x.yaml").domain().plugin_path ==
        std::vector<std::string>{"/etc/robot/lib"});
  CHECK(Config::parse("plugin_path: [../lib, /opt]", "etc/x.yaml").domain().plugin_path ==
        std::vector<std::string>{"etc/../lib", "/opt"});
  CHECK(parse_error("plugin_path: ['']") == "x.yaml:1:15: plugin_path: '' is not accepted; expected a directory");
  CHECK(parse_error("plugin_path: {a: b}") == "x.yaml:1:14: plugin_path: expected a list, found a mapping");
  CHECK(parse_error("plugin_path: [[a]]") == "x.yaml:1:15: plugin_path: expected a value, found a list");
}

TEST_CASE("file modes are octal, with or without a leading zero or quotes") {
  for (const std::string text : {"0660", "'0660'", "660", "0o660"})
    CHECK(parse_config("mode: " + text).domain().mode == 0660);
  for (const std::string text : {"0600", "0640", "0644", "0664", "0666"}) CHECK_NOTHROW(parse_config("mode: " + text));
  for (const std::string text : {"0700", "0661", "0400", "0620", "0602", "0606", "0646", "0", "01660", "00660", "4660",
                                 "rw", "0680", "-660", ""}) {
    CHECK(parse_error("mode: '" + text + "'") ==
          "x.yaml:1:7: mode: '" + text +
              "' is not accepted; expected octal permissions without execute bits: 0600, 0640, 0644, 0660, 0664 or "
              "0666");
  }
}

TEST_CASE("domain settings that are refused") {
  CHECK(parse_error("domain: -1") ==
        "x.yaml:1:9: domain: '-1' is not accepted; expected a whole number from 0 to 4294967295");
  CHECK(parse_error("runtime_dir: tmp") ==
        "x.yaml:1:14: runtime_dir: 'tmp' is not accepted; expected an absolute path, such as /dev/shm/sluice");
  CHECK(parse_error("runtime_dir: \"/a\\0b\"") ==
        "x.yaml:1:14: runtime_dir: '/a\\x00b' is not accepted; expected an absolute path, such as /dev/shm/sluice");
  CHECK(parse_error("group: ''") == "x.yaml:1:8: group: '' is not accepted; expected a group's name or number");
  CHECK(parse_error("group: [a]") == "x.yaml:1:8: group: expected a value, found a list");
}

TEST_CASE("the environment overrides files; what is wrong in it names the variable") {
  {
    const ScopedEnvironment domain{"SLUICE_DOMAIN", "42"};
    const ScopedEnvironment directory{"SLUICE_RUNTIME_DIR", "/tmp/x/"};
    const Config config = parse_config("domain: 7\nruntime_dir: /run/y\n");
    CHECK(config.domain().directory() == "/tmp/x/domain-42");
    CHECK(config.domain().origins.at("domain").text() == "environment SLUICE_DOMAIN");
    CHECK(config.domain().origins.at("runtime_dir").text() == "environment SLUICE_RUNTIME_DIR");
    CHECK(Config{}.domain().domain == 42);
  }
  {
    const ScopedEnvironment domain{"SLUICE_DOMAIN", ""};
    CHECK(parse_config("domain: 7").domain().domain == 7);
  }
  {
    const ScopedEnvironment domain{"SLUICE_DOMAIN", "seven"};
    CHECK(error_text([] { return Config{}; }) ==
          "environment SLUICE_DOMAIN: domain: 'seven' is not accepted; expected a whole number from 0 to 4294967295");
  }
  const ScopedEnvironment directory{"SLUICE_RUNTIME_DIR", "relative"};
  CHECK(error_text([] { return Config::load({}); }) ==
        "environment SLUICE_RUNTIME_DIR: runtime_dir: 'relative' is not accepted; expected an absolute path, such as "
        "/dev/shm/sluice");
}
