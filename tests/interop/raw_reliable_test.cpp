#include <catch2/catch.hpp>

#include "interop/raw_support.hpp"
#include "support/child_process.hpp"

using namespace sluice;
using namespace sluice::slick;
using namespace sluice::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

/// Elements that carry their own number.
std::string numbered(std::uint64_t number) { return {reinterpret_cast<const char*>(&number), 8}; }

}  // namespace

TEST_CASE("a reliable raw topic that is full times out, sends nothing, and goes on when there is room") {
  RawBench bench(Reliability::reliable);
  const auto reader = bench.heard_reader();
  const auto writer = bench.heard_writer();
  for (std::uint64_t i = 0; i < 8; ++i) REQUIRE(send(*writer, numbered(i)) == PublishResult::ok);
  CHECK(send(*writer, numbered(8)) == PublishResult::timeout);
  CHECK(writer->stats().timeouts == 1);
  CHECK(bench.ring().reserved() == 8);
  for (std::uint64_t i = 0; i < 100; ++i) {
    CHECK(receive(*reader) == numbered(i));
    (void)reader->arm();
    REQUIRE(send(*writer, numbered(8 + i)) == PublishResult::ok);
  }
  CHECK(books_are(reader->stats(), 100, 0, 0, 8));
  CHECK(bench.events.empty());
}

TEST_CASE("a reliable raw message of several elements waits for the tail that it skips, and half a ring is the most") {
  RawBench bench(Reliability::reliable);
  const auto reader = bench.heard_reader();
  const auto writer = bench.heard_writer();
  CHECK(send(*writer, std::string(40, 'x')) == PublishResult::too_large);
  std::uint64_t received = 0;
  for (std::size_t n = 1; n < 200; ++n) {
    const std::string text(8 * (1 + n % 4), static_cast<char>('a' + n % 26));
    while (send(*writer, text) == PublishResult::timeout) {
      REQUIRE(receive(*reader));
      ++received;
      (void)reader->arm();
    }
  }
  received += receive_all(*reader).size();
  CHECK(received == 199);
  CHECK(reader->stats().lost == 0);
  CHECK(bench.events.empty());
}

TEST_CASE("two reliable raw publishers in processes of their own lose nothing, whatever the length") {
  constexpr std::uint64_t kMessages = 20'000;
  RawBench bench(Reliability::reliable);
  bench.spec.qos.max_blocking_time = 60s;
  bench.spec.qos.depth = 16;
  const auto reader = bench.heard_reader();
  std::vector<ChildProcess> children;
  for (std::uint64_t producer = 0; producer < 2; ++producer) {
    children.emplace_back([&bench, producer] {
      const auto writer = bench.writer();
      for (std::uint64_t i = 0; i < kMessages; ++i) {
        std::array<std::uint64_t, 4> message{};
        message.fill((producer << 60U) | i);
        const auto bytes = std::as_bytes(std::span(message)).first(8 * (1 + i % 4));
        const auto result = writer->publish_copy(bytes, 0);
        if (result != PublishResult::ok) return 1 + static_cast<int>(result);
      }
      return 0;
    });
  }
  std::array<std::uint64_t, 2> next{};
  auto watchdog = shm::Deadline::after(60s);
  while (next[0] + next[1] < 2 * kMessages && !watchdog.passed()) {
    const auto message = reader->take();
    if (!message) {
      (void)reader->arm();
      continue;
    }
    watchdog = shm::Deadline::after(60s);
    std::uint64_t word = 0;
    std::memcpy(&word, message->data, 8);
    const std::uint64_t producer = word >> 60U;
    REQUIRE(producer < 2);
    REQUIRE((word & 0xFFFFFFFFFFU) == next[producer]);
    REQUIRE(message->size == 8 * (1 + next[producer] % 4));
    ++next[producer];
    reader->release(*message);
  }
  for (auto& child : children) CHECK(child.wait() == 0);
  CHECK(books_are(reader->stats(), bench.ring().reserved() - reader->stats().skipped, 0, reader->stats().skipped, 0));
  CHECK(bench.events.empty());
}

TEST_CASE("a foreign producer on a reliable raw topic is an event for everybody, once, and ends the waiting") {
  RawBench bench(Reliability::reliable);
  const auto reader = bench.heard_reader();
  const auto writer = bench.heard_writer();
  REQUIRE(send(*writer, kEight) == PublishResult::ok);
  REQUIRE(receive(*reader) == kEight);
  CHECK(bench.events.empty());
  TestRing foreign = bench.ring();
  publish_golden(foreign, 1);
  REQUIRE(receive(*reader));  // delivered all the same
  REQUIRE(bench.events.size() == 1);
  CHECK(bench.events[0].kind == TransportEvent::Kind::reliability_lost);
  CHECK(bench.events[0].topic == "/bench/topic");
  CHECK_THAT(bench.events[0].message, Contains("best_effort from now on") && Contains(bench.name.path()) &&
                                          Contains("element 1 is not of ours") &&
                                          Contains("'reliability: best_effort'"));
  // Nobody waits any more: the ring is overrun, and the books say so.
  for (int i = 0; i < 20; ++i) REQUIRE(send(*writer, kEight) == PublishResult::ok);
  REQUIRE(bench.events.size() == 2);  // the writer's user is told too
  CHECK(receive_all(*reader).size() == 8);
  CHECK(books_are(reader->stats(), 10, 12, 0, 0));
  publish_golden(foreign, 1);
  CHECK(receive_all(*reader).size() == 1);
  CHECK(bench.events.size() == 2);
}

TEST_CASE("a foreign producer that laps a reliable reader is noticed, and what was lost is counted") {
  RawBench bench(Reliability::reliable);
  const auto reader = bench.heard_reader();
  TestRing foreign = bench.ring();
  for (int i = 0; i < 20; ++i) publish_golden(foreign, 1);
  CHECK(receive_all(*reader).size() == 8);
  CHECK(books_are(reader->stats(), 8, 12, 0, 0));
  REQUIRE(bench.events.size() == 1);
}

TEST_CASE("a publisher notices that somebody reserves without asking") {
  RawBench bench(Reliability::reliable);
  const auto writer = bench.heard_writer();
  REQUIRE(send(*writer, kEight) == PublishResult::ok);
  TestRing foreign = bench.ring();
  for (int i = 0; i < 30; ++i) publish_golden(foreign, 1);
  REQUIRE(send(*writer, kEight) == PublishResult::ok);
  REQUIRE(bench.events.size() == 1);
  CHECK_THAT(bench.events[0].message, Contains("reserved element 30 without asking"));
}

TEST_CASE("a foreign producer's hole is noticed on a reliable raw topic and stepped over") {
  RawBench bench(Reliability::reliable);
  const auto reader = bench.heard_reader();
  const auto writer = bench.heard_writer();
  TestRing foreign = bench.ring();
  (void)foreign.reserve(1);
  REQUIRE(send(*writer, kEight) == PublishResult::ok);
  CHECK(eventually([&] { return receive(*reader) == kEight; }));
  REQUIRE_FALSE(bench.events.empty());
  CHECK_THAT(bench.events[0].message, Contains("element 0 was reserved by none of ours"));
  CHECK(books_are(reader->stats(), 1, 0, 1, 0));
}

TEST_CASE("what was in the segment before a reliable topic opened it is no foreign producer's doing") {
  RawBench bench(Reliability::reliable);
  TestRing before(open_segment(golden_request(bench.name)));
  for (int i = 0; i < 30; ++i) publish_golden(before, 1);
  const auto reader = bench.heard_reader();
  const auto writer = bench.heard_writer();
  for (int i = 0; i < 100; ++i) {
    REQUIRE(send(*writer, kEight) == PublishResult::ok);
    REQUIRE(receive(*reader) == kEight);
  }
  CHECK(bench.events.empty());
}

TEST_CASE("a dead reliable raw reader is not waited for, a stopped one is evicted and told what it lost") {
  RawBench bench(Reliability::reliable);
  bench.set_option("evict_after", "100ms");
  bench.set_option("stall_timeout", "50ms");
  bench.spec.qos.max_blocking_time = 60s;
  const auto reader = bench.heard_reader();
  ChildProcess dead([&] {
    const auto other = bench.reader();
    ::kill(::getpid(), SIGKILL);
    return 0;
  });
  (void)dead.wait();
  const auto writer = bench.heard_writer();
  for (std::uint64_t i = 0; i < 20; ++i)
    REQUIRE(send(*writer, numbered(i)) == PublishResult::ok);  // reader stands still
  CHECK(receive_all(*reader).empty());                         // it joins again
  CHECK(reader->stats().evictions == 1);
  CHECK(reader->stats().lost == 20);
  REQUIRE(send(*writer, numbered(20)) == PublishResult::ok);
  CHECK(receive(*reader) == numbered(20));
  CHECK(bench.events.empty());
}

TEST_CASE("both sides of a raw topic must ask for the same reliability") {
  RawBench bench(Reliability::reliable);
  const auto writer = bench.writer();
  bench.spec.qos.reliability = Reliability::best_effort;
  bench.spec.origins["reliability"] = {"demo.yaml", 3, 4};
  CHECK_THROWS_WITH(bench.reader(), Contains("reliability is 'best_effort' here") && Contains("'reliable'"));
}

TEST_CASE("a segment of two elements cannot carry a reliable topic") {
  RawBench bench(Reliability::reliable);
  SegmentRequest request = golden_request(bench.name);
  request.capacity = 2;
  (void)open_segment(request);
  CHECK_THROWS_WITH(bench.writer(), Contains("has a capacity of 2 elements, and a reliable topic needs 4 at least"));
}
