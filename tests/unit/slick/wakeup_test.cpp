#include <sys/mman.h>

#include <catch2/catch.hpp>

#include <thread>

#include <sluice/shm/wait_set.hpp>

#include "support/child_process.hpp"
#include "unit/slick/slick_support.hpp"

using namespace sluice;
using namespace sluice::test;
using namespace std::chrono_literals;

namespace {

/// Sleeps as an executor does, but never with a timer: only a ring, or a message, ends it. False after the watchdog.
bool sleep_until_rung(Reader& reader) {
  const auto wait = reader.arm();
  if (!wait) return true;
  return shm::futex_wait(*wait->word, wait->expected, shm::Deadline::after(30s)) == shm::WaitResult::rung;
}

}  // namespace

TEST_CASE("a sleeping reader in another process is rung for every message it waits for") {
  // Ping-pong on two topics: whoever sleeps is woken by the other's publication or never. A lost ring costs 30 s and
  // fails the test.
  const auto reliability = GENERATE(Reliability::best_effort, Reliability::reliable);
  TopicBench ping(reliability, 16);
  TopicSpec pong_spec = ping.spec;
  pong_spec.name = "/bench/pong";
  const auto ping_writer = ping.writer();
  const auto pong_reader = ping.transport->open_reader(pong_spec, ping.context());
  constexpr int kRounds = 20'000;
  ChildProcess child([&] {
    const auto in = ping.reader();
    const auto out = ping.transport->open_writer(pong_spec, ping.context());
    for (int i = 0; i < kRounds;) {
      const auto text = receive(*in);
      if (!text) {
        if (!sleep_until_rung(*in)) return 1;
        continue;
      }
      if (send(*out, *text) != PublishResult::ok) return 2;
      ++i;
    }
    return 0;
  });
  REQUIRE(eventually([&] { return ping_writer->reader_count() == 1 && pong_reader->writer_count() == 1; }));
  for (int i = 0; i < kRounds; ++i) {
    REQUIRE(send(*ping_writer, std::to_string(i)) == PublishResult::ok);
    std::optional<std::string> answer;
    while (!(answer = receive(*pong_reader))) REQUIRE(sleep_until_rung(*pong_reader));
    REQUIRE(*answer == std::to_string(i));
  }
  CHECK(child.wait() == 0);
}

TEST_CASE("one publication wakes all sleepers, and nobody sleeps through a message that came before") {
  TopicBench bench(Reliability::reliable, 16);
  bench.spec.qos.max_blocking_time = 60s;
  const auto writer = bench.writer();
  constexpr int kReaders = 4;
  constexpr int kMessages = 5'000;
  std::vector<ChildProcess> children;
  for (int k = 0; k < kReaders; ++k) {
    children.emplace_back([&] {
      const auto reader = bench.reader();
      for (int i = 0; i < kMessages;) {
        const auto text = receive(*reader);
        if (!text) {
          if (!sleep_until_rung(*reader)) return 1;
        } else if (*text != std::to_string(i++)) {
          return 2;
        }
      }
      return books_are(reader->stats(), kMessages, 0, 0, 0) ? 0 : 3;
    });
  }
  REQUIRE(eventually([&] { return writer->reader_count() == kReaders; }));
  for (int i = 0; i < kMessages; ++i) REQUIRE(send(*writer, std::to_string(i)) == PublishResult::ok);
  for (auto& child : children) CHECK(child.wait() == 0);
}

TEST_CASE("arm looks again: what was published after the last take and before arming is never slept through") {
  const TopicBench bench;
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  CHECK_FALSE(reader->take());
  REQUIRE(send(*writer, "x") == PublishResult::ok);
  CHECK_FALSE(reader->arm());
  CHECK(receive(*reader) == "x");
  const auto wait = reader->arm();
  REQUIRE(wait);
  CHECK(wait->word->load_acquire() == wait->expected);
  CHECK(wait->at_most <= shm::kLongestSleep);
  REQUIRE(send(*writer, "y") == PublishResult::ok);
  CHECK(wait->word->load_acquire() != wait->expected);
}

TEST_CASE("a publisher makes no call while nobody sleeps") {
  const TopicBench bench;
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  const std::uint32_t before = bench.file().control().doorbell.word().load_acquire();
  for (int i = 0; i < 100; ++i) REQUIRE(send(*writer, "x") == PublishResult::ok);
  CHECK(bench.file().control().doorbell.word().load_acquire() == before);
  (void)receive_all(*reader);
  REQUIRE(reader->arm());
  for (int i = 0; i < 100; ++i) REQUIRE(send(*writer, "x") == PublishResult::ok);
  CHECK(bench.file().control().doorbell.word().load_acquire() == before + 2);  // rung once
}

TEST_CASE("arming publishes the books and the cursor, so that others see them while this reader sleeps") {
  const TopicBench bench(Reliability::reliable, 64);
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  for (int i = 0; i < 5; ++i) REQUIRE(send(*writer, "x") == PublishResult::ok);
  CHECK(receive_all(*reader).size() == 5);
  auto file = bench.file();
  REQUIRE(reader->arm());
  CHECK(file.reader(0).cursor.load_acquire() == 5);
  CHECK(file.reader(0).received.load_acquire() == 5);
  CHECK(file.reader(0).version.load_acquire() % 2 == 0);
}
