#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "unit/eshm_topic/foreign_side.hpp"
#include "unit/eshm_topic/topic_process.hpp"

using namespace sluice;
using namespace sluice::test;
using eshm::Side;

namespace {

std::size_t entries(const std::string& directory) {
  const std::filesystem::directory_iterator all(directory);
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}
std::size_t threads() { return entries("/proc/self/task"); }
std::size_t descriptors() { return entries("/proc/self/fd"); }

/// Of that file, which has no name when it is mapped.
std::size_t mappings(std::uint64_t inode) {
  std::ifstream maps("/proc/self/maps");
  std::size_t count = 0;
  const std::string column = " " + std::to_string(inode) + " ";
  for (std::string line; std::getline(maps, line);) count += line.find(column) != std::string::npos ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("all endpoints of a process share one mapping of a channel, and all channels one thread") {
  const std::size_t threads_before = threads();
  const std::size_t descriptors_before = descriptors();
  {
    ChannelBench bench;
    ChannelBench other;
    std::vector<std::unique_ptr<Writer>> writers;
    std::vector<std::unique_ptr<Reader>> readers;
    for (const Side side : {Side::master, Side::slave}) {
      writers.push_back(bench.writer(side));
      for (int i = 0; i < 3; ++i) readers.push_back(bench.reader(side));
    }
    writers.push_back(other.writer());
    const std::uint64_t inode = bench.look().inode;  // a mapping more, but gone now
    CHECK(mappings(inode) == 1);
    CHECK(threads() == threads_before + 1);
    // One for the Link's locks, and one for each endpoint's.
    CHECK(descriptors() == descriptors_before + 2 + writers.size() + readers.size());
  }
  CHECK(eventually([&] { return threads() == threads_before; }));
  CHECK(descriptors() == descriptors_before);
}

TEST_CASE("opening and closing again and again leaves nothing behind") {
  ChannelBench bench;
  const std::size_t descriptors_before = descriptors();
  for (int i = 0; i < 50; ++i) {
    const auto reader = bench.reader();
    const auto writer = bench.writer();
    REQUIRE(send(*writer, "message") == PublishResult::ok);
    REQUIRE(receive(*reader) == "message");
  }
  CHECK(descriptors() == descriptors_before);
  CHECK_FALSE(bench.channel.exists());
}

TEST_CASE("the last one out removes the name") {
  ChannelBench bench;
  SECTION("of one process") {
    auto reader = bench.reader();
    auto writer = bench.writer();
    const auto state = bench.writer(Side::slave);
    reader.reset();
    writer.reset();
    CHECK(bench.channel.exists());
  }
  SECTION("of several") {
    TopicProcess writer(bench, TopicProcess::Is::writer, Side::master);
    TopicProcess reader(bench, TopicProcess::Is::reader, Side::master);
    CHECK(writer.leave() == 0);
    CHECK(bench.channel.exists());
    CHECK(reader.leave() == 0);
  }
  SECTION("after a process that was killed") {
    TopicProcess writer(bench, TopicProcess::Is::writer, Side::master);
    writer.kill();
    CHECK(bench.channel.exists());
    const auto reader = bench.reader();
  }
  SECTION("beside a foreign slave, which looks for the next master") {
    auto writer = bench.writer();
    const ForeignSide foreign(bench.look(), Side::slave);
    CHECK(eventually([&] { return writer->reader_count() == 1; }));
    writer.reset();
  }
  CHECK_FALSE(bench.channel.exists());
}

TEST_CASE("the name of a foreign master's segment is its own, however short a visit is") {
  ChannelBench bench;
  ForeignSide foreign(replace_segment(bench), Side::master);
  { const auto reader = bench.reader(); }
  CHECK(foreign.segment().named());
  SECTION("a longer one") {
    const auto reader = bench.reader();
    CHECK(eventually([&] { return reader->writer_count() == 1; }));
  }
  SECTION("one that opens the other direction") { const auto writer = bench.writer(Side::slave); }
  CHECK(foreign.segment().named());
}

TEST_CASE("a dead foreign master's segment is used, and removed at the end") {
  ChannelBench bench;
  { const ForeignSide foreign(replace_segment(bench), Side::master); }
  CHECK(bench.channel.exists());
  {
    const auto writer = bench.writer();
    const eshm::Segment segment = bench.look();
    CHECK(eventually([&] { return segment.header().master_generation.load_relaxed() == 2; }));
  }
  CHECK_FALSE(bench.channel.exists());
}

TEST_CASE("a process that takes over what a killed one left continues its segment") {
  ChannelBench bench;
  TopicProcess killed(bench, TopicProcess::Is::writer, Side::master);
  const auto reader = bench.reader();
  killed.publish(3);
  CHECK(await_message(*reader) == "3");
  killed.kill();
  const auto writer = bench.writer();
  REQUIRE(send(*writer, "4") == PublishResult::ok);
  CHECK(receive(*reader) == "4");
  CHECK(reader->stats().reserved - reader->stats().joined == 4);
  CHECK(bench.heard.texts().size() <= 4);
  for (const TransportEvent& event : bench.heard.all()) {
    CHECK(event.kind != TransportEvent::Kind::segment_replaced);
  }
}

TEST_CASE("a forked child that drops its parent's endpoints changes nothing for the parent, and opens its own") {
  ChannelBench bench;
  auto writer = bench.writer();
  auto reader = bench.reader();
  REQUIRE(reader->arm());  // a sleeper is announced
  const eshm::Segment segment = bench.look();
  const std::uint32_t waiters = segment.mailbox(Side::master).tail->waiters.load_relaxed();
  ChildProcess child([&] {
    writer.reset();
    reader.reset();
    auto own = bench.reader();
    const bool refused = [&] {
      try {
        (void)bench.writer();
        return false;
      } catch (const Error&) {
        return true;
      }
    }();
    return refused ? 0 : 1;
  });
  CHECK(child.wait() == 0);
  CHECK(bench.channel.exists());
  const std::uint64_t heartbeat = segment.header().master_heartbeat.load_relaxed();
  CHECK(eventually([&] { return segment.header().master_heartbeat.load_relaxed() > heartbeat + 30; }));
  for (const Side side : {Side::master, Side::slave}) {
    const eshm::SideWords words = eshm::side_words(segment.header(), side);
    CHECK(words.alive.load_relaxed() == 1);
    CHECK(words.pid.load_relaxed() == static_cast<std::uint32_t>(::getpid()));
  }
  CHECK(segment.mailbox(Side::master).tail->waiters.load_relaxed() == waiters);
  CHECK(bench.heard.texts().empty());
  REQUIRE(send(*writer, "still here") == PublishResult::ok);
  CHECK(receive(*reader) == "still here");
}

TEST_CASE("who comes while the name is being removed waits for that") {
  ChannelBench bench;
  eshm::Segment removed = replace_segment(bench);
  REQUIRE(removed.lock.try_lock_exclusive(eshm::kUseLock));
  const std::jthread remover([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds{50});  // as one that is not scheduled
    ::unlink(removed.path.c_str());
  });
  const auto reader = bench.reader();
  CHECK_FALSE(removed.named());
  CHECK(bench.look().inode != removed.inode);
}
