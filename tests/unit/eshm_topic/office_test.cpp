#include <catch2/catch.hpp>

#include "unit/eshm_topic/foreign_side.hpp"
#include "unit/eshm_topic/topic_process.hpp"

using namespace sluice;
using namespace sluice::test;
using eshm::Side;

namespace {

struct Said {
  std::uint32_t alive;
  std::uint32_t pid;
  bool operator==(const Said&) const = default;
};

Said said_by(const eshm::Segment& segment, Side side) {
  const eshm::SideWords words = eshm::side_words(segment.header(), side);
  return {words.alive.load_relaxed(), words.pid.load_relaxed()};
}

bool beats(const eshm::Segment& segment, Side side) {
  const eshm::SideWords words = eshm::side_words(segment.header(), side);
  const std::uint64_t before = words.heartbeat.load_relaxed();
  return eventually([&] { return words.heartbeat.load_relaxed() != before; });
}

std::uint32_t generation(const eshm::Segment& segment) { return segment.header().master_generation.load_relaxed(); }

const auto kOurPid = static_cast<std::uint32_t>(::getpid());

}  // namespace

TEST_CASE("an endpoint's process is present on its side only") {
  ChannelBench bench;
  const auto writer = bench.writer();
  const eshm::Segment segment = bench.look();
  CHECK(said_by(segment, Side::master) == Said{1, kOurPid});
  CHECK(said_by(segment, Side::slave) == Said{0, 0});
  CHECK(generation(segment) == 1);
  CHECK(beats(segment, Side::master));
  auto reader = bench.reader();
  CHECK(said_by(segment, Side::slave) == Said{1, kOurPid});
  CHECK(beats(segment, Side::slave));
  reader.reset();
  CHECK(said_by(segment, Side::slave) == Said{0, kOurPid});
  CHECK(said_by(segment, Side::master) == Said{1, kOurPid});
}

TEST_CASE("an office is handed over while the side stays alive, and nobody notices") {
  ChannelBench bench;
  bench.set("stale_after", "10s");      // the heir's next beat may be late on a busy machine
  const auto watcher = bench.reader();  // on the slave's side
  const eshm::Segment segment = bench.look();
  auto holder = std::make_unique<TopicProcess>(bench, TopicProcess::Is::reader, Side::slave);
  REQUIRE(bench.heard.wait_for(1).size() == 1);
  for (int round = 0; round < 10; ++round) {
    auto heir = std::make_unique<TopicProcess>(bench, TopicProcess::Is::reader, Side::slave);
    CHECK(said_by(segment, Side::master) == Said{1, static_cast<std::uint32_t>(holder->pid())});
    bool always_alive = true;
    std::jthread leaving([&] { CHECK(holder->leave() == 0); });
    CHECK(eventually([&] {
      const Said now = said_by(segment, Side::master);
      always_alive = always_alive && now.alive == 1;
      return now.pid == static_cast<std::uint32_t>(heir->pid());
    }));
    leaving.join();
    CHECK(always_alive);
    CHECK(generation(segment) == 1);
    CHECK(beats(segment, Side::master));
    holder = std::move(heir);
  }
  CHECK(bench.heard.texts() == std::vector<std::string>{bench.heard.texts().front()});
}

TEST_CASE("when the holder of an office dies, another one takes it, and a master counts a new generation") {
  ChannelBench bench;
  const Side side = GENERATE(Side::master, Side::slave);
  const auto watcher = bench.writer(eshm::other(side));
  const eshm::Segment segment = bench.look();
  const std::uint32_t generation_before = side == Side::master ? 1 : generation(segment);
  TopicProcess holder(bench, TopicProcess::Is::writer, side);
  const TopicProcess heir(bench, TopicProcess::Is::reader, eshm::other(side));
  CHECK(said_by(segment, side) == Said{1, static_cast<std::uint32_t>(holder.pid())});
  holder.kill();
  CHECK(eventually([&] { return said_by(segment, side) == Said{1, static_cast<std::uint32_t>(heir.pid())}; }));
  CHECK(beats(segment, side));
  CHECK(generation(segment) == generation_before + (side == Side::master ? 1 : 0));
}

TEST_CASE("a stopped holder keeps its office") {
  ChannelBench bench;
  const auto watcher = bench.writer();
  TopicProcess holder(bench, TopicProcess::Is::reader, Side::master);
  const TopicProcess other(bench, TopicProcess::Is::reader, Side::master);
  const std::string who = "topic '/bench/commands': channel '" + bench.channel.name() + "': the slave is ";
  const std::string alive = who + "alive (pid " + std::to_string(holder.pid()) + ", generation 1)";
  REQUIRE(bench.heard.wait_for(1) == std::vector{alive});
  holder.signal(SIGSTOP);
  CHECK(bench.heard.wait_for(2).back().starts_with(who + "stale: its heartbeat has stood still for "));
  CHECK(said_by(bench.look(), Side::slave) == Said{1, static_cast<std::uint32_t>(holder.pid())});
  holder.signal(SIGCONT);
  CHECK(bench.heard.wait_for(3).back() == alive);
  CHECK(bench.heard.texts().size() == 3);
}

TEST_CASE("beside a living foreign slave subscribers take no office, and the next one when it is dead") {
  ChannelBench bench;
  const auto writer = bench.writer();
  auto foreign = std::make_unique<ForeignSide>(bench.look(), Side::slave);
  const auto reader = bench.reader();
  const eshm::Segment segment = bench.look();
  CHECK(eventually([&] { return writer->reader_count() == 2; }));
  CHECK(said_by(segment, Side::slave) == Said{1, ForeignSide::kPid});
  SECTION("it leaves") {
    foreign->leave(false);
    CHECK(eventually([&] { return said_by(segment, Side::slave) == Said{1, kOurPid}; }));
  }
  SECTION("it dies") {
    foreign.reset();
    CHECK(eventually([&] { return said_by(segment, Side::slave) == Said{1, kOurPid}; }));
  }
  CHECK(beats(segment, Side::slave));
  CHECK(writer->reader_count() == 1);
}

TEST_CASE("a foreign slave that joined ours and leaves does not take our presence with it") {
  ChannelBench bench;
  const auto reader = bench.reader();
  const eshm::Segment segment = bench.look();
  ForeignSide foreign(bench.look(), Side::slave);
  CHECK(bench.heard.wait_for(1).size() == 1);
  foreign.leave(false);
  CHECK(eventually([&] { return said_by(segment, Side::slave) == Said{1, kOurPid}; }));
  CHECK(beats(segment, Side::slave));
}
