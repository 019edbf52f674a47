#include <catch2/catch.hpp>

#include "unit/slick/slick_support.hpp"

using namespace sluice;
using namespace sluice::test;

TEST_CASE("a message arrives with its bytes, sequence, time and publisher") {
  const auto reliability = GENERATE(Reliability::best_effort, Reliability::reliable);
  const TopicBench bench(reliability);
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  REQUIRE(writer->publish_copy(bytes_of("hello"), 4711) == PublishResult::ok);
  REQUIRE(writer->publish_copy(bytes_of("again"), 4712) == PublishResult::ok);

  auto message = reader->take();
  REQUIRE(message);
  CHECK(text_of(*message) == "hello");
  CHECK(message->info.sequence == 0);
  CHECK(message->info.published_ns == 4711);
  CHECK(message->info.publisher == writer->id());
  CHECK(message->info.lost == 0);
  CHECK(reader->valid(*message));
  reader->release(*message);

  message = reader->take();
  REQUIRE(message);
  CHECK(text_of(*message) == "again");
  CHECK(message->info.sequence == 1);
  reader->release(*message);
  CHECK_FALSE(reader->take());
  CHECK(books_are(reader->stats(), 2, 0, 0, 0));
  CHECK(reader->stats().bytes == 10);
  CHECK(writer->stats().published == 2);
  CHECK(writer->stats().bytes == 10);
}

TEST_CASE("every size from nothing to max_size arrives unchanged, one more is refused") {
  const auto reliability = GENERATE(Reliability::best_effort, Reliability::reliable);
  const std::size_t max_size =
      GENERATE(std::size_t{1}, std::size_t{31}, std::size_t{32}, std::size_t{33}, std::size_t{1000});
  const TopicBench bench(reliability, 4, max_size);
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  for (std::size_t size = 0; size <= max_size; ++size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 7 + size);
    REQUIRE(send(*writer, text) == PublishResult::ok);
    REQUIRE(receive(*reader) == text);
  }
  CHECK(send(*writer, std::string(max_size + 1, 'x')) == PublishResult::too_large);
  CHECK_FALSE(reader->take());
  CHECK(writer->loan(max_size + 1).data == nullptr);
  CHECK(writer->loan(max_size).size == max_size);
  CHECK(books_are(reader->stats(), max_size + 1, 0, 0, 0));
}

TEST_CASE("loans reserve nothing, are reused, and end at 64") {
  const TopicBench bench;
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  std::vector<LoanedBuffer> loans;
  for (int i = 0; i < 64; ++i) {
    loans.push_back(writer->loan(64));
    REQUIRE(loans.back().data != nullptr);
    std::memset(loans.back().data, 'a' + i % 26, 64);
  }
  CHECK(writer->loan(1).data == nullptr);
  writer->discard(loans[1]);
  CHECK(reader->stats().reserved == 0);
  // Published in another order than taken, and only as much as was used.
  CHECK(writer->publish(loans[2], 3, 0) == PublishResult::ok);
  CHECK(writer->publish(loans[0], 2, 0) == PublishResult::ok);
  CHECK(receive_all(*reader) == std::vector<std::string>{"ccc", "aa"});
  const LoanedBuffer again = writer->loan(64);
  CHECK(again.data != nullptr);
  CHECK(writer->publish(again, 65, 0) == PublishResult::too_large);
  CHECK(writer->loan(1).data != nullptr);  // also that loan was given back
  CHECK_FALSE(reader->take());
}

TEST_CASE("a late reader receives what is published after it joined, and its books begin there") {
  const auto reliability = GENERATE(Reliability::best_effort, Reliability::reliable);
  const TopicBench bench(reliability, 64);
  const auto writer = bench.writer();
  for (int i = 0; i < 10; ++i) REQUIRE(send(*writer, "early") == PublishResult::ok);
  const auto reader = bench.reader();
  CHECK_FALSE(reader->take());
  CHECK(reader->stats().joined == 10);
  REQUIRE(send(*writer, "late") == PublishResult::ok);
  CHECK(receive_all(*reader) == std::vector<std::string>{"late"});
  CHECK(books_are(reader->stats(), 1, 0, 0, 0));
}

TEST_CASE("without readers a reliable publisher never waits, however often round it goes") {
  const TopicBench bench(Reliability::reliable, 4);
  const auto writer = bench.writer();
  for (int i = 0; i < 1000; ++i) REQUIRE(send(*writer, "x") == PublishResult::ok);
  CHECK(writer->stats().timeouts == 0);
}

TEST_CASE("a lapped best_effort reader gets at least depth messages' worth of the newest, whole, and counts the rest") {
  const std::uint32_t depth = GENERATE(1U, 3U, 4U, 8U, 12U, 100U);
  const TopicBench bench(Reliability::best_effort, depth);
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  const std::uint64_t capacity = bench.file().geometry().capacity;
  CHECK(capacity - capacity / 4 >= depth);

  std::uint64_t total = 0;
  std::uint64_t received = 0;
  std::uint64_t lost = 0;
  for (const std::uint64_t burst : {std::uint64_t{depth}, capacity, capacity + 1, 3 * capacity + 2, std::uint64_t{1}}) {
    for (std::uint64_t i = 0; i < burst; ++i) REQUIRE(send(*writer, std::to_string(total + i)) == PublishResult::ok);
    std::uint64_t expected = total;
    std::uint64_t in_burst = 0;
    total += burst;
    while (const auto message = reader->take()) {
      expected += message->info.lost;
      lost += message->info.lost;
      REQUIRE(text_of(*message) == std::to_string(expected));
      ++expected;
      ++in_burst;
      reader->release(*message);
    }
    REQUIRE(expected == total);
    received += in_burst;
    if (burst <= depth) CHECK(in_burst == burst);
    CHECK(books_are(reader->stats(), received, lost, 0, 0));
  }
  CHECK(lost > 0);
}

TEST_CASE("a message that was copied out stays what it was while the ring goes round") {
  const TopicBench bench(Reliability::best_effort, 4);
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  REQUIRE(send(*writer, "first") == PublishResult::ok);
  const auto first = reader->take();
  REQUIRE(first);
  REQUIRE(send(*writer, "second") == PublishResult::ok);
  const auto second = reader->take();
  REQUIRE(second);
  for (int i = 0; i < 100; ++i) REQUIRE(send(*writer, "other") == PublishResult::ok);
  CHECK(text_of(*first) == "first");
  CHECK(text_of(*second) == "second");
  CHECK(reader->valid(*first));
  reader->release(*second);
  reader->release(*first);
}

TEST_CASE("counts of readers and publishers follow who is there") {
  const TopicBench bench;
  const auto writer = bench.writer();
  CHECK(writer->reader_count() == 0);
  auto a = bench.reader();
  auto b = bench.reader();
  CHECK(writer->reader_count() == 2);
  CHECK(a->writer_count() == 1);
  b.reset();
  CHECK(writer->reader_count() == 1);
  auto second = bench.writer();
  CHECK(a->writer_count() == 2);
  CHECK(second->id() != writer->id());
  second.reset();
  CHECK(a->writer_count() == 1);
}

TEST_CASE("publishers keep their own sequences, in order, on one topic") {
  const TopicBench bench(Reliability::reliable, 32);
  const auto reader = bench.reader();
  const auto a = bench.writer();
  const auto b = bench.writer();
  for (int i = 0; i < 10; ++i) {
    REQUIRE(send(*a, "a" + std::to_string(i)) == PublishResult::ok);
    if (i % 2 == 0) REQUIRE(send(*b, "b" + std::to_string(i / 2)) == PublishResult::ok);
  }
  std::uint64_t next_a = 0;
  std::uint64_t next_b = 0;
  while (const auto message = reader->take()) {
    std::uint64_t& next = message->info.publisher == a->id() ? next_a : next_b;
    CHECK(message->info.sequence == next);
    CHECK(text_of(*message).substr(1) == std::to_string(next));
    ++next;
    reader->release(*message);
  }
  CHECK(next_a == 10);
  CHECK(next_b == 5);
}

TEST_CASE("all places taken is an error that names the topic, the number and the setting") {
  TopicBench bench;
  bench.set_option("max_publishers", "2");
  bench.set_option("max_subscribers", "1");
  const auto a = bench.writer();
  auto b = bench.writer();
  CHECK_THROWS_WITH(bench.writer(),
                    "topic '/bench/topic': all 2 places for publishers are taken; raise max_publishers");
  auto reader = bench.reader();
  CHECK_THROWS_WITH(bench.reader(),
                    "topic '/bench/topic': all 1 places for subscriptions are taken; raise max_subscribers");
  b.reset();
  reader.reset();
  CHECK_NOTHROW(bench.writer());
  CHECK_NOTHROW(bench.reader());
}

TEST_CASE("options of other topics are refused where they stand") {
  TopicBench bench;
  bench.set_option("hole_timout", "5ms");
  CHECK_THROWS_WITH(bench.transport->validate(bench.spec),
                    "demo.yaml:7:5: topic '/bench/topic': hole_timout: is no option of a slick topic without 'segment'"
                    "; did you mean 'hole_timeout'?");
  bench.spec.options.clear();
  bench.set_option("max_publishers", "0");
  CHECK_THROWS_WITH(bench.transport->validate(bench.spec),
                    "demo.yaml:7:5: topic '/bench/topic': max_publishers: '0' is not a whole number between 1 and "
                    "4096");
  bench.spec.options.clear();
  bench.spec.qos.depth = 1U << 20U;
  bench.spec.max_size = std::size_t{1} << 30U;
  CHECK_THROWS_WITH(bench.transport->validate(bench.spec), Catch::Matchers::Contains("is beyond every machine"));
}
