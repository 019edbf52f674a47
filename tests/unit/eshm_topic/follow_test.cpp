#include <catch2/catch.hpp>

#include "unit/eshm_topic/foreign_side.hpp"
#include "unit/eshm_topic/topic_process.hpp"

using namespace sluice;
using namespace sluice::test;
using eshm::Side;

namespace {

bool replaced_heard(const ChannelBench& bench) {
  return eventually([&] {
    for (const TransportEvent& event : bench.heard.all()) {
      if (event.kind == TransportEvent::Kind::segment_replaced) return true;
    }
    return false;
  });
}

std::uint64_t received_and_lost(Reader& reader) {
  while (receive(reader)) {
  }
  const ReaderStats stats = reader.stats();
  return stats.received + stats.lost;
}

}  // namespace

TEST_CASE("publisher and subscription move to the segment that another program made, and lose nothing uncounted") {
  ChannelBench bench;
  const auto writer = bench.writer(Side::slave);
  const auto reader = bench.reader(Side::slave);
  REQUIRE(send(*writer, "1") == PublishResult::ok);
  REQUIRE(send(*writer, "2") == PublishResult::ok);
  const eshm::Segment next = replace_segment(bench);
  REQUIRE(replaced_heard(bench));
  CHECK(bench.heard.texts().front() == "topic '/bench/state': channel '" + bench.channel.name() +
                                           "': another program replaced its segment; moved to the new one");
  CHECK(receive(*reader) == "2");
  REQUIRE(send(*writer, "3") == PublishResult::ok);
  CHECK(next.mailbox(Side::slave).tail->write_count.load_relaxed() == 1);
  CHECK(await_message(*reader) == "3");
  REQUIRE(send(*writer, "4") == PublishResult::ok);
  REQUIRE(send(*writer, "5") == PublishResult::ok);
  CHECK(await_message(*reader) == "5");
  CHECK(books_are(reader->stats(), 3, 2, 0));
  CHECK(reader->writer_count() == 1);
  CHECK(writer->reader_count() == 1);
  CHECK(next.header().slave_alive.load_relaxed() == 1);
}

TEST_CASE("what a foreign master wrote before and after it made its segment anew is received or counted") {
  ChannelBench bench;
  auto first = std::make_unique<ForeignSide>(replace_segment(bench), Side::master);
  const auto reader = bench.reader();
  for (const char* text : {"1", "2", "3"}) first->write(text);
  CHECK(receive(*reader) == "3");
  for (const char* text : {"4", "5"}) first->write(text);
  SECTION("after it was killed") { first.reset(); }
  SECTION("after it went") { first->leave(true); }
  ForeignSide second(replace_segment(bench), Side::master);
  REQUIRE(replaced_heard(bench));
  for (const char* text : {"6", "7"}) second.write(text);
  CHECK(eventually([&] { return received_and_lost(*reader) == 7; }));
  second.write("8");
  CHECK(await_message(*reader) == "8");
  CHECK(reader->stats().reserved - reader->stats().joined == 8);
}

TEST_CASE("a slave that notices its master's end later than we do is read where it still writes") {
  ChannelBench bench;
  ForeignSide master(replace_segment(bench), Side::master);
  const auto reader = bench.reader(Side::slave);
  std::uint64_t written = 0;
  {
    ForeignSide slave(bench.look(), Side::slave);
    const auto write = [&] { slave.write(std::to_string(++written)); };
    write();
    CHECK(await_message(*reader) == "1");
    master.leave(true);
    REQUIRE(replaced_heard(bench));
    CHECK_FALSE(receive(*reader));
    for (int i = 0; i < 5; ++i) write();
    CHECK(receive(*reader) == std::to_string(written));
    write();
  }
  ForeignSide slave(bench.look(), Side::slave);  // it has found the new one
  slave.write(std::to_string(++written));
  CHECK(eventually([&] { return received_and_lost(*reader) == written; }));
  slave.write(std::to_string(++written));
  CHECK(await_message(*reader) == std::to_string(written));
}

TEST_CASE("a sleeping subscription follows") {
  ChannelBench bench;
  const auto reader = bench.reader();
  const auto wait = reader->arm();
  REQUIRE(wait);
  REQUIRE(wait->word != nullptr);
  ForeignSide master(replace_segment(bench), Side::master);
  REQUIRE(replaced_heard(bench));
  CHECK_FALSE(receive(*reader));
  master.write("here");
  CHECK(await_message(*reader) == "here");
}

TEST_CASE("a new segment that nobody of ours can use is left alone until it can be") {
  ChannelBench bench;
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  REQUIRE(send(*writer, "1") == PublishResult::ok);
  CHECK(receive(*reader) == "1");
  const std::size_t size = std::exchange(bench.max_size, 4096);
  { const eshm::Segment other_size = replace_segment(bench); }
  bench.max_size = size;
  std::this_thread::sleep_for(std::chrono::milliseconds{120});  // so that the name has been looked at
  REQUIRE(send(*writer, "2") == PublishResult::ok);
  CHECK(receive(*reader) == "2");
  CHECK(bench.heard.texts().empty());
  const eshm::Segment usable = replace_segment(bench);
  REQUIRE(replaced_heard(bench));
  REQUIRE(send(*writer, "3") == PublishResult::ok);
  CHECK(await_message(*reader) == "3");
  CHECK(books_are(reader->stats(), 3, 0, 0));
}

TEST_CASE("a publisher whose segment a foreign master made anew hears that there are two") {
  ChannelBench bench;
  const auto writer = bench.writer();
  const auto passive = bench.reader(Side::slave);
  const ForeignSide foreign(replace_segment(bench), Side::master);
  REQUIRE(replaced_heard(bench));
  const auto second_writers = [&] {
    std::vector<std::string> topics;
    for (const TransportEvent& event : bench.heard.all()) {
      if (event.kind == TransportEvent::Kind::second_writer) topics.push_back(event.topic);
    }
    return topics;
  };
  CHECK(eventually([&] { return second_writers() == std::vector<std::string>{"/bench/commands", "/bench/state"}; }));
}

TEST_CASE("subscriptions beside a foreign master that made the segment anew are no second writers") {
  ChannelBench bench;
  const auto passive = bench.reader(Side::slave);
  const auto subscriber = bench.reader(Side::master);
  const ForeignSide foreign(replace_segment(bench), Side::master);
  CHECK(eventually([&] { return subscriber->writer_count() == 1; }));
  for (const TransportEvent& event : bench.heard.all()) CHECK(event.kind != TransportEvent::Kind::second_writer);
}
