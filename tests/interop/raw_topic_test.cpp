#include <catch2/catch.hpp>

#include <thread>

#include "interop/raw_support.hpp"
#include "support/child_process.hpp"

using namespace sluice;
using namespace sluice::slick;
using namespace sluice::test;
using namespace std::chrono_literals;

TEST_CASE("a raw message is a whole number of elements; its sequence is its index") {
  const RawBench bench;
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  CHECK(send(*writer, "") == PublishResult::wrong_size);
  CHECK(send(*writer, "123") == PublishResult::wrong_size);
  CHECK(send(*writer, std::string(72, 'x')) == PublishResult::too_large);
  REQUIRE(send(*writer, kEight) == PublishResult::ok);
  REQUIRE(send(*writer, kEight + kEight) == PublishResult::ok);
  REQUIRE(send(*writer, kEight) == PublishResult::ok);
  for (const auto& [index, size] : {std::pair{0U, 8U}, {1U, 16U}, {3U, 8U}}) {
    const auto message = reader->take();
    REQUIRE(message);
    CHECK(message->info.sequence == index);
    CHECK(message->size == size);
    CHECK(message->info.publisher == 0);
    reader->release(*message);
  }
  CHECK(books_are(reader->stats(), 4, 0, 0, 0));
  const auto wait = reader->arm();
  REQUIRE(wait);
  CHECK(wait->word != nullptr);  // rung by Sluice producers, and for foreign ones by the polling thread
}

TEST_CASE("a lapped raw reader goes on with the oldest message and counts elements", "[full lap]") {
  const RawBench bench;
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  for (int i = 0; i < 21; ++i) REQUIRE(send(*writer, kEight) == PublishResult::ok);
  const auto message = reader->take();
  REQUIRE(message);
  CHECK(message->info.sequence == 13);
  CHECK(message->info.lost == 13);
  reader->release(*message);
  CHECK(receive_all(*reader).size() == 7);
  CHECK(books_are(reader->stats(), 8, 13, 0, 0));
}

TEST_CASE("a foreign producer's hole is given up after the timeout and counted") {
  const RawBench bench;
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  TestRing foreign = bench.ring();
  REQUIRE(send(*writer, kEight) == PublishResult::ok);
  const std::uint64_t hole = foreign.reserve(1);
  REQUIRE(send(*writer, "87654321") == PublishResult::ok);
  CHECK(receive(*reader) == kEight);
  std::optional<std::string> text;
  REQUIRE(eventually([&] { return (text = receive(*reader)).has_value(); }));
  CHECK(*text == "87654321");
  CHECK(books_are(reader->stats(), 2, 0, 1, 0));
  CHECK(foreign.publish(hole, 1));  // late: not lapped, so it is published, but this reader has passed
  CHECK_FALSE(reader->take());
}

TEST_CASE("hole_timeout 0 waits for ever") {
  RawBench bench;
  bench.set_option("hole_timeout", "0s");
  const auto reader = bench.reader();
  TestRing foreign = bench.ring();
  const std::uint64_t hole = foreign.reserve(1);
  publish_golden(foreign, 1);
  for (int i = 0; i < 1000; ++i) REQUIRE_FALSE(reader->take());
  CHECK(foreign.publish(hole, 1));
  CHECK(receive_all(*reader).size() == 2);
}

TEST_CASE("a producer lapped while it wrote does not publish over the newer message") {
  const RawBench bench;
  const auto writer = bench.writer();
  TestRing slow = bench.ring();
  const std::uint64_t index = slow.reserve(1);
  for (int i = 0; i < 8; ++i) REQUIRE(send(*writer, kEight) == PublishResult::ok);
  CHECK_FALSE(slow.publish(index, 1));
}

TEST_CASE("a late foreign publication that takes a slot back never makes a reader go backwards") {
  // Hazard H3: upstream producers publish without looking. A stopped producer of index 0 stores 0 into the slot of 8
  // while a reader that has delivered 0 to 7 is at 8: between its look at the slot and its second look after the copy.
  const SegmentName name;
  SegmentRequest request = golden_request(name);
  request.element_size = 4096;  // so that the copy takes its time
  TestRing ring(open_segment(request));
  for (int i = 0; i < 10; ++i) REQUIRE(ring.publish(ring.reserve(1), 1));
  const shm::Mapping raw = std::move(attach_segment(request).mapping);
  auto& slot = raw.at<RingSlot>(sizeof(RingHeader))[0].data_index;
  std::atomic<bool> stop{false};
  std::thread late([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      slot.store_release(0);
      slot.store_release(8);
    }
  });
  std::vector<std::byte> copy;
  std::uint64_t index = 0;
  std::uint64_t backwards = 0;
  std::uint64_t taken_back = 0;
  // Until both threads really ran against each other.
  const auto give_up = shm::Deadline::after(30s);
  for (int i = 0; (i < 100'000 || taken_back < 20'000) && !give_up.passed(); ++i) {
    Ring::Cursor cursor;
    cursor.next = 8;
    const auto result = ring.read(cursor, copy, index);
    if (result == Ring::Found::pending) ++taken_back;
    const bool fine =
        result == Ring::Found::message ? index == 8 && cursor.next == 9 && cursor.lost == 0 : cursor.next == 8;
    if (!fine) ++backwards;
  }
  stop = true;
  late.join();
  CHECK(taken_back > 0);
  CHECK(backwards == 0);
}

TEST_CASE("after a foreign reset a reader begins again at 0 and its books still balance") {
  const RawBench bench;
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  for (int i = 0; i < 5; ++i) REQUIRE(send(*writer, kEight) == PublishResult::ok);
  CHECK(receive_all(*reader).size() == 5);
  const shm::Mapping raw = std::move(attach_segment(golden_request(bench.name)).mapping);
  for (int i = 0; i < 8; ++i) {
    raw.at<RingSlot>(sizeof(RingHeader))[i].data_index.store_relaxed(kNoIndex);
    raw.at<RingSlot>(sizeof(RingHeader))[i].size.store_relaxed(1);
  }
  raw.at<RingHeader>(0)->reserved.store_release(0);
  CHECK(books_are(reader->stats(), 5, 0, 0, 0));  // before the reader has noticed
  CHECK_FALSE(reader->take());
  CHECK(books_are(reader->stats(), 5, 0, 0, 0));
  for (int i = 0; i < 2; ++i) REQUIRE(send(*writer, kEight) == PublishResult::ok);
  std::size_t received = 0;
  CHECK(eventually([&] { return (received += receive_all(*reader).size()) == 2; }));  // noticed at the next close look
  CHECK(books_are(reader->stats(), 7, 0, 0, 0));
}

TEST_CASE("a hole that was lapped by the inside of a longer message does not trap the reader", "[full lap]") {
  const SegmentName name;
  TestRing ring(open_segment(golden_request(name)));
  publish_golden(ring, 1);
  (void)ring.reserve(1);                                // the hole: 1
  for (int i = 0; i < 4; ++i) publish_golden(ring, 2);  // 2, 4, 6, and 8 whose second element is in the hole's slot
  Ring::Cursor cursor;
  cursor.next = 1;
  std::vector<std::byte> copy;
  std::uint64_t index = 0;
  REQUIRE(ring.read(cursor, copy, index) == Ring::Found::message);
  CHECK(index == 2);
  CHECK(cursor.lost == 1);
}

TEST_CASE("a half-written or impossible wrap marker is nothing yet", "[full lap]") {
  const SegmentName name;
  TestRing ring(open_segment(golden_request(name)));
  publish_golden(ring, 1);
  const shm::Mapping raw = std::move(attach_segment(golden_request(name)).mapping);
  raw.at<RingHeader>(0)->reserved.store_release(make_reserved(9, 1));
  std::vector<std::byte> copy;
  std::uint64_t index = 0;
  for (const std::uint64_t marker :
       {std::uint64_t{13}, std::uint64_t{16}, std::uint64_t{1} << 40U}) {  // 8 is the one marker that fits
    raw.at<RingSlot>(sizeof(RingHeader))[1].data_index.store_release(marker);
    Ring::Cursor cursor;
    cursor.next = 1;
    CHECK(ring.read(cursor, copy, index) == Ring::Found::pending);
    CHECK(cursor.next == 1);
  }
}

TEST_CASE("a segment full of nonsense is read without crash, hang, or a step outside") {
  const SegmentName name;
  TestRing ring(open_segment(golden_request(name)));
  const shm::Mapping raw = std::move(attach_segment(golden_request(name)).mapping);
  std::uint64_t random = 88172645463325252U;
  const auto next = [&] {
    random ^= random << 13U;
    random ^= random >> 7U;
    random ^= random << 17U;
    // Small numbers are the dangerous ones: near the cursor, near the capacity.
    return (random >> 60U) % 3 == 0 ? random : random % 24;
  };
  std::vector<std::byte> copy;
  std::uint64_t index = 0;
  for (int round = 0; round < 20'000; ++round) {
    for (int i = 0; i < 8; ++i) {
      raw.at<RingSlot>(sizeof(RingHeader))[i].data_index.store_relaxed(next());
      raw.at<RingSlot>(sizeof(RingHeader))[i].size.store_relaxed(static_cast<std::uint32_t>(next()));
    }
    raw.at<RingHeader>(0)->reserved.store_relaxed(make_reserved(next() >> 16U, 1));
    Ring::Cursor cursor;
    cursor.next = next() >> 16U;
    for (int reads = 0; reads < 20; ++reads) {
      if (ring.read(cursor, copy, index) == Ring::Found::message) {
        REQUIRE(copy.size() <= 64);
        REQUIRE(cursor.next == index + copy.size() / 8);
      }
      (void)ring.skip_hole(cursor);
    }
  }
}

TEST_CASE("a raw topic carries messages between processes, none torn, each accounted for") {
  RawBench bench;
  bench.set_option("hole_timeout", "10s");
  bench.spec.qos.depth = 64;
  bench.spec.max_size = 64;
  constexpr std::uint64_t kMessages = 200'000;
  const auto reader = bench.reader();
  std::vector<ChildProcess> children;
  for (std::uint64_t producer = 0; producer < 2; ++producer) {
    children.emplace_back([&bench, producer] {
      const auto writer = bench.writer();
      std::uint64_t uncertain = 0;
      for (std::uint64_t i = 0; i < kMessages; ++i) {
        std::array<std::uint64_t, 5> message{};  // of 1 to 5 elements
        message.fill((producer << 60U) | i);
        const std::size_t bytes = 8 * (1 + i % 5);
        const auto result = writer->publish_copy(std::as_bytes(std::span(message)).first(bytes), 0);
        if (result == PublishResult::uncertain)
          ++uncertain;
        else if (result != PublishResult::ok)
          return 1;
      }
      return uncertain > kMessages / 10 ? 2 : 0;
    });
  }
  std::array<std::uint64_t, 2> last{};
  std::array<std::uint64_t, 2> ended{};
  std::uint64_t received = 0;
  const auto take_all = [&] {
    while (const auto message = reader->take()) {
      std::array<std::uint64_t, 5> words{};
      REQUIRE(message->size % 8 == 0);
      REQUIRE(message->size <= 40);
      std::memcpy(words.data(), message->data, message->size);
      const std::uint64_t producer = words[0] >> 60U;
      const std::uint64_t sequence = words[0] & 0xFFFFFFFFFFU;
      REQUIRE(producer < 2);
      REQUIRE(message->size == 8 * (1 + sequence % 5));
      for (std::size_t i = 1; i < message->size / 8; ++i) REQUIRE(words[i] == words[0]);
      REQUIRE(sequence + 1 > last[producer]);  // in order, never twice
      last[producer] = sequence + 1;
      received += message->size / 8;
      reader->release(*message);
    }
  };
  std::thread waiter([&] {
    for (std::size_t i = 0; i < 2; ++i) ended[i] = static_cast<std::uint64_t>(children[i].wait());
  });
  while (!eventually(
      [&] {
        take_all();
        return last[0] == kMessages && last[1] == kMessages;
      },
      1s)) {
    const auto stats = reader->stats();
    if (stats.queued == 0) break;  // the last messages of one may have been lost
  }
  waiter.join();
  take_all();
  CHECK(ended[0] == 0);
  CHECK(ended[1] == 0);
  const auto stats = reader->stats();
  CHECK(stats.received == received);
  CHECK(stats.reserved - stats.joined == stats.received + stats.lost + stats.skipped + stats.queued);
  CHECK(stats.queued == 0);
}
