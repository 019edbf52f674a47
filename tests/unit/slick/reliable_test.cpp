#include <catch2/catch.hpp>

#include <atomic>
#include <thread>

#include "support/child_process.hpp"
#include "unit/slick/slick_support.hpp"

using namespace sluice;
using namespace sluice::test;
using namespace std::chrono_literals;

namespace {

/// Publishes "0", "1", ... until the topic is full; how many went in.
std::uint64_t fill(Writer& writer, std::uint64_t from = 0) {
  std::uint64_t sent = 0;
  while (send(writer, std::to_string(from + sent)) == PublishResult::ok) REQUIRE(++sent < 10'000);
  return sent;
}

}  // namespace

TEST_CASE("a full reliable topic times out, sends nothing, and loses nothing") {
  const std::uint32_t depth = GENERATE(4U, 5U, 8U, 64U);
  const TopicBench bench(Reliability::reliable, depth);
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  const std::uint64_t sent = fill(*writer);
  CHECK(sent >= depth);
  CHECK(sent == bench.file().geometry().capacity);
  CHECK(send(*writer, "no room") == PublishResult::timeout);
  CHECK(reader->stats().reserved == sent);  // not a position was granted for what was not sent
  CHECK(writer->stats().timeouts == 2);
  CHECK(writer->stats().published == sent);

  for (std::uint64_t i = 0; i < sent; ++i) REQUIRE(receive(*reader) == std::to_string(i));
  CHECK_FALSE(reader->take());
  CHECK(books_are(reader->stats(), sent, 0, 0, 0));
  // The sequence does not jump over what was not sent.
  REQUIRE(send(*writer, "next") == PublishResult::ok);
  const auto message = reader->take();
  REQUIRE(message);
  CHECK(message->info.sequence == sent);
  CHECK(message->info.lost == 0);
}

TEST_CASE("a thread that takes everything it publishes is never told that the topic is full") {
  const std::uint32_t depth = GENERATE(4U, 8U, 16U, 64U);
  const TopicBench bench(Reliability::reliable, depth);
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  // Offsets against the positions at which the reader shows its cursor by itself.
  for (std::uint32_t shift = 0; shift < depth; ++shift) {
    REQUIRE(send(*writer, "shift") == PublishResult::ok);
    REQUIRE(receive(*reader));
    for (std::uint32_t i = 0; i < depth; ++i) REQUIRE(send(*writer, "message") == PublishResult::ok);
    for (std::uint32_t i = 0; i < depth; ++i) REQUIRE(receive(*reader));
  }
}

TEST_CASE("a message that is held keeps its place until it is released, in whatever order that happens") {
  const TopicBench bench(Reliability::reliable, 8);
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  for (std::uint64_t lap = 0; lap < 3; ++lap) {
    REQUIRE(fill(*writer, 8 * lap) == 8);
    std::vector<TakenMessage> held;
    while (const auto message = reader->take()) held.push_back(*message);
    REQUIRE(held.size() == 8);
    CHECK(send(*writer, "x") == PublishResult::timeout);

    // All but the oldest: still no room, for the oldest stands in the way.
    for (const std::size_t i : {7U, 3U, 1U, 2U, 6U, 4U, 5U}) reader->release(held[i]);
    CHECK(send(*writer, "x") == PublishResult::timeout);
    CHECK(text_of(held[0]) == std::to_string(8 * lap));
    CHECK(reader->valid(held[0]));
    reader->release(held[0]);
  }
  CHECK(books_are(reader->stats(), 24, 0, 0, 0));
}

TEST_CASE("a reliable message is read in place: no copy lies between") {
  const TopicBench bench(Reliability::reliable, 4);
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  REQUIRE(send(*writer, "abc") == PublishResult::ok);
  const auto message = reader->take();
  REQUIRE(message);
  auto file = bench.file();
  slick::TopicFile::payload(file.cell(0))[1] = std::byte{'X'};
  CHECK(text_of(*message) == "aXc");
}

TEST_CASE("the slowest of several readers decides, and one that leaves decides no more") {
  const TopicBench bench(Reliability::reliable, 8);
  const auto quick = bench.reader();
  auto slow = bench.reader();
  const auto writer = bench.writer();
  REQUIRE(fill(*writer) == 8);
  CHECK(receive_all(*quick).size() == 8);
  CHECK(send(*writer, "x") == PublishResult::timeout);
  REQUIRE(receive(*slow) == "0");
  CHECK(send(*writer, "8") == PublishResult::ok);
  CHECK(send(*writer, "x") == PublishResult::timeout);
  slow.reset();
  CHECK(slick::entry_state(bench.file().reader(1).state.load_acquire()) == slick::EntryState::free);
  CHECK(fill(*writer, 9) == 7);
  CHECK(receive_all(*quick).size() == 8);
  CHECK(books_are(quick->stats(), 16, 0, 0, 0));
}

TEST_CASE("a reader that joins a full topic is owed nothing and stands in nobody's way") {
  const TopicBench bench(Reliability::reliable, 8);
  const auto first = bench.reader();
  const auto writer = bench.writer();
  REQUIRE(fill(*writer) == 8);
  const auto second = bench.reader();
  CHECK(receive_all(*first).size() == 8);
  CHECK(fill(*writer, 8) == 8);
  CHECK(receive_all(*second).size() == 8);
  CHECK(books_are(second->stats(), 8, 0, 0, 0));
}

TEST_CASE("a waiting publisher is woken by a release, not by its timer") {
  TopicBench bench(Reliability::reliable, 4);
  bench.spec.qos.max_blocking_time = 60s;
  const auto reader = bench.reader();
  auto file = bench.file();
  std::thread publisher([&] {
    const auto writer = bench.writer();
    for (int i = 0; i < 2000; ++i) REQUIRE(send(*writer, std::to_string(i)) == PublishResult::ok);
  });
  // Each round waits until the publisher really waits for room; then one message is given back.
  int received = 0;
  for (; received < 50; ++received) {
    REQUIRE(eventually([&] { return file.control().space.waiting(); }));
    const std::uint32_t rings = file.control().space.word().load_acquire() >> 1U;
    REQUIRE(receive(*reader) == std::to_string(received));
    REQUIRE((file.control().space.word().load_acquire() >> 1U) != rings);
    REQUIRE(eventually([&] { return file.control().reserved.load_acquire() == static_cast<unsigned>(received) + 5; }));
  }
  while (received < 2000) {
    if (const auto text = receive(*reader)) CHECK(*text == std::to_string(received++));
  }
  publisher.join();
  CHECK(books_are(reader->stats(), 2000, 0, 0, 0));
}

TEST_CASE("a dead reader's place is taken from it, also by a publisher that never waits") {
  TopicBench bench(Reliability::reliable, 4);
  const auto blocking = GENERATE(0ms, 1000ms);
  bench.spec.qos.max_blocking_time = blocking;
  const auto writer = bench.writer();
  ChildProcess dying([&] {
    const auto reader = bench.reader();
    for (;;) ::pause();
    return 0;
  });
  REQUIRE(eventually([&] { return writer->reader_count() == 1; }));
  dying.kill(SIGSTOP);
  for (int i = 0; i < 4; ++i) REQUIRE(send(*writer, "x") == PublishResult::ok);
  if (blocking == 0ms) REQUIRE(send(*writer, "x") == PublishResult::timeout);
  dying.kill(SIGKILL);
  dying.wait();
  CHECK(eventually([&] { return send(*writer, "after") == PublishResult::ok; }));
  CHECK(slick::entry_state(bench.file().reader(0).state.load_acquire()) == slick::EntryState::free);
}

TEST_CASE("many dead readers cost one waiting publication, not one timer each") {
  TopicBench bench(Reliability::reliable, 4);
  bench.spec.qos.max_blocking_time = 100ms;  // less than 20 ms times the number of the dead
  const auto writer = bench.writer();
  ChildProcess dying([&] {
    std::vector<std::unique_ptr<Reader>> readers;
    for (int i = 0; i < 30; ++i) readers.push_back(bench.reader());
    for (;;) ::pause();
    return 0;
  });
  REQUIRE(eventually([&] { return writer->reader_count() == 30; }));
  dying.kill(SIGKILL);
  dying.wait();
  for (int i = 0; i < 9; ++i) CHECK(send(*writer, "x") == PublishResult::ok);
  CHECK(writer->stats().timeouts == 0);
}

TEST_CASE("a reader that holds publishers up for longer than evict_after is evicted, told, and counts exactly") {
  TopicBench bench(Reliability::reliable, 4);
  bench.set_option("stall_timeout", "1ms");
  bench.set_option("evict_after", "30ms");
  bench.spec.qos.max_blocking_time = 60s;
  const auto slow = bench.reader();
  const auto writer = bench.writer();
  for (int i = 0; i < 4; ++i) REQUIRE(send(*writer, std::to_string(i)) == PublishResult::ok);
  const auto held = slow->take();
  REQUIRE(held);
  CHECK(slow->valid(*held));

  for (int i = 4; i < 10; ++i) REQUIRE(send_elsewhere(*writer, std::to_string(i)) == PublishResult::ok);
  CHECK_FALSE(slow->valid(*held));
  CHECK_FALSE(slow->arm());  // something to take: the news
  CHECK_FALSE(slow->take());
  CHECK(slow->stats().evictions == 1);
  CHECK(books_are(slow->stats(), 1, 9, 0, 0));
  slow->release(*held);  // of the lost place: changes nothing

  for (int i = 10; i < 14; ++i) REQUIRE(send(*writer, std::to_string(i)) == PublishResult::ok);
  const auto next = slow->take();
  REQUIRE(next);
  CHECK(text_of(*next) == "10");
  CHECK(next->info.lost == 9);
  CHECK(slow->valid(*next));
  slow->release(*next);
  CHECK(receive_all(*slow).size() == 3);
  CHECK(books_are(slow->stats(), 5, 9, 0, 0));
}

TEST_CASE("an eviction with several views held out of order leaves the release books sound") {
  TopicBench bench(Reliability::reliable, 8);
  bench.set_option("stall_timeout", "1ms");
  bench.set_option("evict_after", "20ms");
  bench.spec.qos.max_blocking_time = 60s;
  const auto slow = bench.reader();
  const auto writer = bench.writer();
  for (int i = 0; i < 8; ++i) REQUIRE(send(*writer, "old") == PublishResult::ok);
  std::vector<TakenMessage> held;
  while (const auto message = slow->take()) held.push_back(*message);
  for (const std::size_t i : {1U, 3U, 5U, 7U}) slow->release(held[i]);
  for (int i = 0; i < 9; ++i) REQUIRE(send_elsewhere(*writer, "evicting") == PublishResult::ok);
  CHECK_FALSE(slow->take());
  // Releases of the old place come late and mixed with a new one that must not be given away by them.
  for (int i = 0; i < 8; ++i) REQUIRE(send(*writer, "new" + std::to_string(i)) == PublishResult::ok);
  REQUIRE(receive(*slow) == "new0");
  const auto kept = slow->take();
  REQUIRE(kept);
  REQUIRE(kept->handle % 8 == held[2].handle % 8);  // the very cell of a view of the old place
  for (const std::size_t i : {0U, 2U, 4U, 6U}) slow->release(held[i]);
  while (const auto message = slow->take()) slow->release(*message);
  auto file = bench.file();
  CHECK(file.reader(0).cursor.load_acquire() <= kept->handle);
  CHECK(slow->valid(*kept));
  CHECK(text_of(*kept) == "new1");
}

TEST_CASE("a reader that joins at full traffic is never overrun: it gets every message from where it joined") {
  // Four cells and a publisher that never pauses: the horizon is always as near as it can be to whoever joins.
  TopicBench bench(Reliability::reliable, 4);
  bench.spec.qos.max_blocking_time = 60s;
  bench.set_option("evict_after", "60s");
  std::atomic<bool> stop{false};
  const auto writer = bench.writer();
  std::thread publisher([&] {
    while (!stop.load(std::memory_order_relaxed)) (void)send(*writer, "x");
  });
  std::uint64_t wrong = 0;
  for (int round = 0; round < 12'000; ++round) {
    const auto reader = bench.reader();
    std::uint64_t expected = reader->stats().joined;
    for (int taken = 0; taken < 6;) {
      const auto message = reader->take();
      if (!message) continue;
      if (message->info.sequence != expected++ || message->info.lost != 0 || !reader->valid(*message)) ++wrong;
      reader->release(*message);
      ++taken;
    }
    if (reader->stats().evictions != 0) ++wrong;
  }
  stop = true;
  publisher.join();
  CHECK(wrong == 0);
  CHECK(writer->stats().timeouts == 0);
}

TEST_CASE("a reader with nothing to take still gives room back that a publisher waits for") {
  const TopicBench bench(Reliability::reliable, 16);  // the cursor is published every fourth message
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  REQUIRE(send(*writer, "0") == PublishResult::ok);
  REQUIRE(receive(*reader) == "0");
  for (int i = 1; i < 16; ++i) REQUIRE(send(*writer, "x") == PublishResult::ok);
  std::vector<TakenMessage> held;
  while (const auto message = reader->take()) held.push_back(*message);
  CHECK(held.size() == 15);
  CHECK(send_elsewhere(*writer, "x") == PublishResult::timeout);
  CHECK_FALSE(reader->take());
  CHECK(send_elsewhere(*writer, "x") == PublishResult::ok);
}
