#include <catch2/catch.hpp>

#include <atomic>
#include <thread>

#include "unit/slick/slick_support.hpp"

using namespace sluice;
using namespace sluice::test;
using namespace std::chrono_literals;

namespace {

struct HistoryBench : TopicBench {
  HistoryBench(Reliability reliability, std::uint32_t depth, std::uint32_t history, std::size_t max_size = 64)
      : TopicBench(reliability, depth, max_size) {
    ask_for(history);
  }
  void ask_for(std::uint32_t history) {
    spec.qos.durability = history == 0 ? Durability::volatile_ : Durability::transient_local;
    spec.qos.history = history;
  }
};

std::string padded(std::uint64_t number, std::size_t length) {
  std::string text = std::to_string(number);
  text.resize(length, '.');
  return text;
}

std::vector<std::string> numbers_up_to(std::uint64_t from, std::uint64_t until, std::size_t length) {
  std::vector<std::string> all;
  for (std::uint64_t i = from; i < until; ++i) all.push_back(padded(i, length));
  return all;
}

}  // namespace

TEST_CASE("a late joiner first receives the last messages, in order, and then goes on") {
  const auto reliability = GENERATE(Reliability::best_effort, Reliability::reliable);
  const std::size_t length = GENERATE(16U, 9000U);  // in cells, in chunks
  const HistoryBench bench(reliability, 8, 5, 9000);
  const auto first = bench.writer();
  auto second = bench.writer();
  for (std::uint64_t i = 0; i < 100; ++i) {
    REQUIRE(send(i % 2 == 0 ? *first : *second, padded(i, length)) == PublishResult::ok);
  }
  second.reset();  // what it published stays
  const auto reader = bench.reader();
  CHECK(reader->stats().joined == 95);
  CHECK(receive_all(*reader) == numbers_up_to(95, 100, length));
  REQUIRE(send(*first, padded(100, length)) == PublishResult::ok);
  CHECK(receive_all(*reader) == numbers_up_to(100, 101, length));
  CHECK(books_are(reader->stats(), 6, 0, 0, 0));
}

TEST_CASE("of a topic that is younger than its history a late joiner receives everything") {
  const auto reliability = GENERATE(Reliability::best_effort, Reliability::reliable);
  const HistoryBench bench(reliability, 8, 8);
  const auto writer = bench.writer();
  for (std::uint64_t i = 0; i < 3; ++i) REQUIRE(send(*writer, padded(i, 16)) == PublishResult::ok);
  const auto reader = bench.reader();
  CHECK(receive_all(*reader) == numbers_up_to(0, 3, 16));
}

TEST_CASE("who asks for less history gets less, who asks for none gets none, who asks for more is refused") {
  HistoryBench bench(Reliability::reliable, 8, 6);
  const auto writer = bench.writer();
  for (std::uint64_t i = 0; i < 20; ++i) REQUIRE(send(*writer, padded(i, 16)) == PublishResult::ok);
  bench.ask_for(2);
  bench.spec.origins["history"] = {"less.yaml", 3, 1};
  CHECK(receive_all(*bench.reader()) == numbers_up_to(18, 20, 16));
  bench.ask_for(0);
  CHECK(receive_all(*bench.reader()).empty());
  bench.ask_for(7);
  bench.spec.origins["history"] = {"more.yaml", 3, 1};
  CHECK_THROWS_WITH(bench.reader(), Catch::Contains("more.yaml:3:1") && Catch::Contains("history is '7' here") &&
                                        Catch::Contains("'6'"));
}

TEST_CASE("history is safe from the moment of joining, at full traffic, and nothing comes twice or is missing") {
  const std::size_t length = GENERATE(16U, 9000U);
  HistoryBench bench(Reliability::reliable, 4, 12, 9000);
  bench.spec.qos.max_blocking_time = 60s;
  bench.set_option("evict_after", "60s");
  std::atomic<bool> stop{false};
  const auto writer = bench.writer();
  std::thread publisher([&] {
    for (std::uint64_t i = 0; !stop.load(std::memory_order_relaxed); ++i) (void)send(*writer, padded(i, length));
  });
  std::uint64_t wrong = 0;
  for (int round = 0; round < 1500; ++round) {
    const auto reader = bench.reader();
    std::uint64_t expected = reader->stats().joined;
    for (int taken = 0; taken < 20;) {
      const auto message = reader->take();
      if (!message) continue;
      if (message->info.lost != 0 || text_of(*message) != padded(expected++, length) || !reader->valid(*message))
        ++wrong;
      reader->release(*message);
      ++taken;
    }
    if (reader->stats().evictions != 0) ++wrong;
  }
  stop = true;
  publisher.join();
  CHECK(wrong == 0);
}
