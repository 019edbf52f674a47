#include <catch2/catch.hpp>

#include "unit/eshm_topic/foreign_side.hpp"
#include "unit/eshm_topic/topic_process.hpp"

using namespace sluice;
using namespace sluice::test;
using eshm::Side;
using Kind = TransportEvent::Kind;

namespace {

std::vector<Kind> kinds(const Heard& heard) {
  std::vector<Kind> kinds;
  for (const TransportEvent& event : heard.all()) kinds.push_back(event.kind);
  return kinds;
}

std::string prefix(const ChannelBench& bench, const std::string& topic) {
  return "topic '" + topic + "': channel '" + bench.channel.name() + "': ";
}

}  // namespace

TEST_CASE("endpoints hear when the other side comes, stands still, comes back and goes") {
  ChannelBench bench;
  const Side side = GENERATE(Side::master, Side::slave);
  const std::string topic = side == Side::master ? "/bench/state" : "/bench/commands";
  const auto writer = bench.writer(eshm::other(side));
  ForeignSide foreign(bench.look(), side);
  const std::string who = prefix(bench, topic) + "the " + eshm::name_of(side);
  const std::string alive = who + " is alive (pid 2147483632, generation 1)";
  CHECK(bench.heard.wait_for(1) == std::vector{alive});
  foreign.stop();
  const std::string stale = who + " is stale: its heartbeat has stood still for ";
  const std::string text = bench.heard.wait_for(2).back();
  CHECK(text.starts_with(stale));
  CHECK(std::stoi(text.substr(stale.size())) >= 100);
  CHECK(text.ends_with(" ms"));
  foreign.go_on();
  CHECK(bench.heard.wait_for(3).back() == alive);
  foreign.leave(false);
  CHECK(bench.heard.wait_for(4).back() == who + " is gone");
  CHECK(kinds(bench.heard) ==
        std::vector{Kind::liveliness_gained, Kind::liveliness_lost, Kind::liveliness_gained, Kind::liveliness_lost});
  CHECK(bench.heard.all().front().topic == topic);
}

TEST_CASE("the death of another process of ours is heard from the kernel, whatever the threshold") {
  ChannelBench bench;
  bench.set("stale_after", "1h");
  const auto reader = bench.reader();
  TopicProcess writer(bench, TopicProcess::Is::writer, Side::master);
  const std::string who = prefix(bench, "/bench/commands") + "the master is ";
  CHECK(bench.heard.wait_for(1) == std::vector{who + "alive (pid " + std::to_string(writer.pid()) + ", generation 1)"});
  writer.kill();
  CHECK(bench.heard.wait_for(2).back() == who + "gone");
}

TEST_CASE("all endpoints of a side hear it, and those on the other side do not") {
  ChannelBench bench;
  const auto writer = bench.writer();
  const auto state = bench.reader(Side::slave);
  const ForeignSide foreign(bench.look(), Side::slave);
  const std::string text = "the slave is alive (pid 2147483632, generation 1)";
  CHECK(bench.heard.wait_for(2) ==
        std::vector{prefix(bench, "/bench/commands") + text, prefix(bench, "/bench/state") + text});
}

TEST_CASE("a foreign program that announces itself beside us is named once") {
  ChannelBench bench;
  const Side side = GENERATE(Side::master, Side::slave);
  const auto writer = bench.writer(side);
  const ForeignSide foreign(bench.look(), side);
  const std::string topic = side == Side::master ? "/bench/commands" : "/bench/state";
  const std::vector expected{prefix(bench, topic) + "another program (pid 2147483632) announced itself as the " +
                             eshm::name_of(side) + " although process " + std::to_string(::getpid()) +
                             " is; end one of them"};
  CHECK(bench.heard.wait_for(1) == expected);
  CHECK(kinds(bench.heard) == std::vector{Kind::second_writer});
  const auto reader = bench.reader(side);  // some beats more
  CHECK(eventually([&] { return bench.look().header().master_heartbeat.load_relaxed() > 50; }));
  CHECK(bench.heard.texts() == expected);
}

TEST_CASE("a write that somebody died in is reported once, not delivered, and healed by the next") {
  ChannelBench bench;
  const auto reader = bench.reader();
  ForeignSide foreign(bench.look(), Side::master);
  foreign.write("whole");
  CHECK(await_message(*reader) == "whole");
  eshm::MailboxHead& head = *foreign.segment().mailbox(Side::master).head;
  head.sequence.store_release(head.sequence.load_relaxed() + 1);
  const auto interruptions = [&] {
    const auto all = kinds(bench.heard);
    return std::count(all.begin(), all.end(), Kind::writer_interrupted);
  };
  CHECK(eventually([&] {
    CHECK_FALSE(receive(*reader));
    return interruptions() == 1;
  }));
  for (int i = 0; i < 100; ++i) CHECK_FALSE(receive(*reader));
  CHECK(interruptions() == 1);
  CHECK(bench.heard.texts().back() ==
        prefix(bench, "/bench/commands") +
            "a write has been in progress for longer than 100 ms: the master died in the middle of it, or is stopped; "
            "the next complete message will be delivered");
  foreign.write("healed");
  CHECK(await_message(*reader) == "healed");
  CHECK(books_are(reader->stats(), 2, 0, 0));
}
