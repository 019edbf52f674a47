#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "unit/eshm_topic/foreign_side.hpp"
#include "unit/eshm_topic/topic_process.hpp"
#include "unit/topic/error_text.hpp"

using namespace sluice;
using namespace sluice::test;
using eshm::Side;

namespace {

/// What the transport says of a topic with these options; "no error" if it is content.
std::string verdict(const ChannelBench& bench, std::map<std::string, std::string> options) {
  TopicSpec spec = bench.topic(Side::master);
  spec.options.clear();
  for (const auto& [key, value] : options) spec.options[key] = {value, {"demo.yaml", 7, 5}};
  return error_text([&] { bench.transport->validate(spec); });
}

std::string verdict_with(const ChannelBench& bench, const std::string& key, const std::string& value) {
  std::map<std::string, std::string> options{{"channel", "robot"}, {"direction", "master_to_slave"}};
  options[key] = value;
  return verdict(bench, options);
}

const std::string kTopic = "topic '/bench/commands': ";
const std::string kPlace = "demo.yaml:7:5: " + kTopic;

}  // namespace

TEST_CASE("a channel and a direction are all that a topic needs") {
  const ChannelBench bench;
  CHECK(verdict(bench, {{"channel", "robot"}, {"direction", "slave_to_master"}}) == "no error");
  CHECK(verdict_with(bench, "protocol", "2") == "no error");
  CHECK(verdict_with(bench, "stale_after", "10ms") == "no error");
  CHECK(verdict_with(bench, "stale_after", "1h") == "no error");
  CHECK(verdict_with(bench, "mode", "0660") == "no error");
}

TEST_CASE("what is wrong with a topic's options is said at its place, with what to write instead") {
  const ChannelBench bench;
  CHECK(verdict(bench, {}) == "default: " + kTopic +
                                  "transport: eshm needs 'channel', the name that both sides share, e.g. 'channel: "
                                  "robot'");
  CHECK(verdict(bench, {{"channel", "robot"}}) ==
        kPlace +
            "channel: a channel has two mailboxes; choose with 'direction: master_to_slave' or 'direction: "
            "slave_to_master'");
  CHECK(verdict_with(bench, "channel", "") == kPlace + "channel: is empty; a channel needs a name");
  CHECK(verdict_with(bench, "direction", "master_to_slva") ==
        kPlace +
            "direction: 'master_to_slva' is no direction of a channel; write master_to_slave or slave_to_master; did "
            "you mean 'master_to_slave'?");
  CHECK(verdict_with(bench, "direction", "up") ==
        kPlace + "direction: 'up' is no direction of a channel; write master_to_slave or slave_to_master");
  CHECK(verdict_with(bench, "protocol", "4") == kPlace + "protocol: '4' is not a whole number between 2 and 3");
  CHECK(verdict_with(bench, "protocol", "three") == kPlace + "protocol: 'three' is not a whole number between 2 and 3");
  CHECK(verdict_with(bench, "stale_after", "1ms") == kPlace + "stale_after: 1ms is not between 10ms and 1h");
  CHECK(verdict_with(bench, "stale_after", "2h") == kPlace + "stale_after: 2h is not between 10ms and 1h");
  CHECK(verdict_with(bench, "mode", "0400") ==
        kPlace + "mode: '0400' would shut out its own user; both sides need to read and write");
  CHECK(verdict_with(bench, "mode", "0999") ==
        kPlace + "mode: '0999' is no file mode; write it in octal, e.g. 'mode: 0660'");
  CHECK(verdict_with(bench, "chanel", "robot") ==
        kPlace + "chanel: is no option of an eshm topic; did you mean 'channel'?");
}

TEST_CASE("a queue is refused where somebody asked for one in so many words") {
  ChannelBench bench;
  bench.qos.depth = 16;
  TopicSpec spec = bench.topic(Side::master);
  CHECK(error_text([&] { bench.transport->validate(spec); }) == "no error");  // a default of all topics
  spec.origins["depth"] = {"demo.yaml", 9, 5};
  CHECK(error_text([&] { bench.transport->validate(spec); }) ==
        "demo.yaml:9:5: " + kTopic +
            "depth: a channel keeps the latest message only, not 16; write depth: 1 for this topic, or use transport: "
            "slick");
  spec.qos.depth = 1;
  CHECK(error_text([&] { bench.transport->validate(spec); }) == "no error");
  spec.qos.durability = Durability::transient_local;
  spec.qos.history = 1;
  CHECK(error_text([&] { bench.transport->validate(spec); }) == "no error");
  spec.qos.history = 2;
  spec.origins["history"] = {"demo.yaml", 10, 5};
  CHECK(error_text([&] { bench.transport->validate(spec); }) ==
        "demo.yaml:10:5: " + kTopic +
            "history: a channel keeps the latest message only, not 2; set history: 1, or use transport: slick");
}

TEST_CASE("a mailbox has one publisher, in one process and among several") {
  ChannelBench bench;
  const std::string refused = kTopic + "channel '" + bench.channel.name() +
                              "' already has a publisher on the master's side; a mailbox has one writer: end it, or "
                              "publish on another channel";
  std::unique_ptr<Writer> writer;
  SECTION("in one process") {
    writer = bench.writer();
    CHECK(error_text([&] { return bench.writer(); }) == refused);
    CHECK(send(*writer, "still mine") == PublishResult::ok);
    writer.reset();
    CHECK_NOTHROW(writer = bench.writer());
  }
  SECTION("among several") {
    TopicProcess other(bench, TopicProcess::Is::writer, Side::master);
    CHECK(error_text([&] { return bench.writer(); }) == refused);
    CHECK(bench.channel.exists());
    other.publish();
    other.kill();
    CHECK_NOTHROW(writer = bench.writer());
  }
}

TEST_CASE("beside a living foreign writer there is no publisher, and its segment stays") {
  ChannelBench bench;
  const Side side = GENERATE(Side::master, Side::slave);
  ForeignSide foreign(replace_segment(bench), side);
  const std::string topic = side == Side::master ? "/bench/commands" : "/bench/state";
  CHECK(error_text([&] { return bench.writer(side); }) ==
        "topic '" + topic + "': channel '" + bench.channel.path() + "' has a living " + eshm::name_of(side) +
            " that is no program of Sluice (pid " + std::to_string(ForeignSide::kPid) +
            ") and writes this direction; there can be one writer: end it, or subscribe instead");
  if (side == Side::master) CHECK(foreign.segment().named());
}

TEST_CASE("after a dead foreign writer there may be a publisher") {
  ChannelBench bench;
  { ForeignSide foreign(replace_segment(bench), Side::master); }
  const auto writer = bench.writer();
  CHECK(send(*writer, "mine") == PublishResult::ok);
}

TEST_CASE("both topics of a channel have the same max_size, in one process and among several") {
  ChannelBench bench;
  TopicSpec other_size = bench.topic(Side::slave);
  other_size.max_size = 4096;
  const auto open = [&] { return bench.transport->open_reader(other_size, bench.context()); };
  SECTION("in one process") {
    const auto writer = bench.writer();
    CHECK(error_text(open) ==
          "topic '/bench/state': max_size 4096 differs from 64 of topic '/bench/commands' on the "
          "same channel '" +
              bench.channel.name() + "'; give both the same");
  }
  SECTION("among several") {
    const TopicProcess writer(bench, TopicProcess::Is::writer, Side::master);
    CHECK(error_text(open) == "topic '/bench/state': channel '" + bench.channel.path() +
                                  "' has 512 bytes, but a channel for messages of up to 4096 bytes has 8576; it was "
                                  "made for a max_size of 57 to 120: give both sides the same");
  }
}

TEST_CASE("the segment is made as the options say, whatever the umask") {
  ChannelBench bench;
  bench.access.mode = 0640;
  const mode_t umask_before = ::umask(077);
  mode_t expected = 0640;
  SECTION("the domain's rights") {}
  SECTION("the topic's own") {
    bench.set("mode", "0666");
    expected = 0666;
  }
  bench.set("protocol", "2");
  bench.set("stale_after", "250ms");
  const auto reader = bench.reader();
  ::umask(umask_before);
  struct stat info {};
  REQUIRE(::stat(bench.channel.path().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == expected);
  const eshm::Segment segment = bench.look();
  CHECK(segment.protocol == eshm::Protocol::v2);
  CHECK(segment.header().stale_threshold.load_relaxed() == 250);
}
