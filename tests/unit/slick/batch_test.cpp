#include <catch2/catch.hpp>

#include <array>
#include <map>
#include <thread>

#include "slick/horizon.hpp"
#include "support/child_process.hpp"
#include "unit/slick/slick_support.hpp"

using namespace sluice;
using namespace sluice::test;
using namespace std::chrono_literals;

namespace {

/// Messages of one batch, and the spans over them that a writer wants.
struct Batch {
  explicit Batch(std::uint64_t from, std::size_t count, std::size_t length = 0) {
    for (std::uint64_t i = from; i < from + count; ++i) {
      texts.push_back(std::to_string(i));
      if (length != 0) texts.back().resize(length, '.');
    }
    for (const std::string& text : texts) payloads.push_back(bytes_of(text));
  }
  std::vector<std::string> texts;
  std::vector<std::span<const std::byte>> payloads;
};

}  // namespace

TEST_CASE("a batch arrives in order, and each of its messages counts") {
  const auto reliability = GENERATE(Reliability::best_effort, Reliability::reliable);
  const TopicBench bench(reliability, 256);
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  for (const std::size_t count : {0U, 1U, 2U, 7U, 63U, 64U, 100U}) {
    const Batch batch(0, count);
    const BatchResult result = writer->publish_batch(batch.payloads, 5);
    CHECK(result.result == PublishResult::ok);
    CHECK(result.sent == count);
    CHECK(receive_all(*reader) == batch.texts);
  }
  CHECK(writer->stats().published == 237);
  CHECK(books_are(reader->stats(), 237, 0, 0, 0));
}

TEST_CASE("a batch that does not fit says how many of it were sent") {
  const TopicBench bench(Reliability::reliable, 8);
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  const Batch batch(0, 20);
  const BatchResult result = writer->publish_batch(batch.payloads, 0);
  CHECK(result.result == PublishResult::timeout);
  CHECK(result.sent == 8);
  std::array<TakenMessage, 20> taken;
  const std::size_t count = reader->take_batch(taken);
  REQUIRE(count == 8);
  for (std::size_t i = 0; i < count; ++i) {
    CHECK(text_of(taken[i]) == batch.texts[i]);
    CHECK(taken[i].info.sequence == i);
    reader->release(taken[i]);
  }
  CHECK(reader->take_batch(taken) == 0);
  CHECK(writer->publish_batch(std::span(batch.payloads).subspan(result.sent), 0).sent == 8);
}

TEST_CASE("a batch of short and long messages keeps its order") {
  TopicBench bench(Reliability::reliable, 16, 9000);
  bench.set_option("inline_limit", "64B");
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  std::vector<std::string> texts;
  std::vector<std::span<const std::byte>> payloads;
  for (int i = 0; i < 12; ++i) texts.push_back(std::string(i % 3 == 2 ? 9000 : 10, static_cast<char>('a' + i)));
  for (const std::string& text : texts) payloads.push_back(bytes_of(text));
  CHECK(writer->publish_batch(payloads, 0).sent == 12);
  CHECK(receive_all(*reader) == texts);
}

TEST_CASE("batches of several publishers interleave and lose nothing") {
  TopicBench bench(Reliability::reliable, 64);
  bench.spec.qos.max_blocking_time = 60s;
  const auto reader = bench.reader();
  constexpr std::uint64_t kEach = 20'000;
  std::vector<std::thread> publishers;
  for (int k = 0; k < 3; ++k) {
    publishers.emplace_back([&, k] {
      const auto writer = bench.writer();
      for (std::uint64_t i = 0; i < kEach;) {
        const Batch batch(i, std::min<std::uint64_t>(1 + (i * 7 + static_cast<std::uint64_t>(k)) % 40, kEach - i));
        i += writer->publish_batch(batch.payloads, 0).sent;
      }
    });
  }
  std::map<PublisherId, std::uint64_t> next;
  std::uint64_t wrong = 0;
  const bool all = eventually([&] {
    std::array<TakenMessage, 32> taken;
    const std::size_t count = reader->take_batch(taken);
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t expected = next[taken[i].info.publisher]++;
      if (text_of(taken[i]) != std::to_string(expected) || taken[i].info.sequence != expected) ++wrong;
      reader->release(taken[i]);
    }
    return reader->stats().received == 3 * kEach;
  });
  for (auto& publisher : publishers) publisher.join();
  CHECK(all);
  CHECK(wrong == 0);
  CHECK(books_are(reader->stats(), 3 * kEach, 0, 0, 0));
}

TEST_CASE("a dead publisher's batch leaves holes that are waited for once, not one after the other") {
  TopicBench bench(Reliability::reliable, 256);
  bench.set_option("hole_timeout", "200ms");
  const auto reader = bench.reader();
  auto file = bench.file();
  // As if it had died before its first stamp: positions granted, a record that covers them, and nobody's lock byte.
  const auto writer = bench.writer();
  file.control().horizon.store_release(64);
  file.control().reserved.store_release(40);
  file.control().writer_entries.raise_to_acq_rel(2);
  file.writer(1).record.store_release(slick::record_intent(0, 40));
  REQUIRE(send(*writer, "behind them") == PublishResult::ok);
  const auto began = std::chrono::steady_clock::now();
  std::optional<std::string> text;
  REQUIRE(eventually([&] { return (text = receive(*reader)).has_value(); }));
  CHECK(*text == "behind them");
  CHECK(books_are(reader->stats(), 1, 0, 40, 0));
  // One after the other they would have taken eight seconds; this is no measure of speed.
  CHECK(std::chrono::steady_clock::now() - began < 4s);
}

TEST_CASE("a fence on one position of a batch covers them all") {
  TopicBench bench(Reliability::best_effort, 8);
  const auto writer = bench.writer();
  auto file = bench.file();
  const auto other = bench.writer();
  file.control().horizon.store_release(8);
  file.control().reserved.store_release(3);
  file.writer(1).record.store_release(slick::record_intent(0, 3));
  slick::fence_writers(file, [](std::uint64_t record) { return slick::record_covers(record, 2); });
  CHECK(file.writer(1).record.load_acquire() == slick::record_fenced(0, 3));
  CHECK(slick::record_covers(slick::record_fenced(0, 3), 0));
  CHECK_FALSE(slick::record_covers(slick::record_fenced(0, 3), 3));
  CHECK_FALSE(slick::record_covers(slick::kRecordIdle, 0));
  // The three cells stay empty, lap after lap, as long as the owner stands there.
  const std::uint64_t capacity = file.geometry().capacity;
  for (std::uint64_t i = 0; i < 3 * capacity; ++i) REQUIRE(send(*writer, std::to_string(i)) == PublishResult::ok);
  for (std::uint64_t cell = 0; cell < capacity; ++cell) {
    const std::uint64_t stamp = file.cell(cell).stamp.load_acquire();
    const bool is_jump = (stamp - 2) % capacity == cell;
    CHECK(is_jump == (cell < 3));
  }
}
