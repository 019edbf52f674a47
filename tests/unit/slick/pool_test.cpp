#include <catch2/catch.hpp>

#include <thread>

#include "support/child_process.hpp"
#include "unit/slick/slick_support.hpp"

using namespace sluice;
using namespace sluice::test;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kLarge = 20'000;

/// A topic whose longer messages travel in chunks.
struct PoolBench : TopicBench {
  explicit PoolBench(Reliability reliability = Reliability::best_effort, std::uint32_t depth = 8,
                     std::size_t max_size = kLarge)
      : TopicBench(reliability, depth, max_size) {
    set_option("inline_limit", "64B");
    set_option("max_publishers", "4");
    set_option("max_subscribers", "4");
  }
};

std::string pooled_text(std::uint64_t number, std::size_t length = kLarge) {
  std::string text = std::to_string(number) + ":";
  text.resize(length, static_cast<char>('a' + number % 26));
  return text;
}

std::uint32_t lent_chunks(const slick::TopicFile& file) {
  std::uint32_t lent = 0;
  for (std::uint32_t k = 0; k < file.geometry().chunk_count; ++k) {
    lent += slick::chunk_is_lent(file.chunk_state(k).word.load_acquire()) ? 1 : 0;
  }
  return lent;
}

std::uint32_t held_chunks(const slick::TopicFile& file) {
  std::uint32_t held = 0;
  for (std::uint32_t k = 0; k < file.geometry().max_readers; ++k) {
    for (const auto& hold : file.holds(k)) held += hold.load_acquire() != 0 ? 1 : 0;
  }
  return held;
}

PublishResult publish_loan(Writer& writer, std::string_view text) {
  const LoanedBuffer loan = writer.loan(text.size());
  if (loan.data == nullptr) return loan.refused;
  std::memcpy(loan.data, text.data(), text.size());
  return writer.publish(loan, text.size(), 0);
}

}  // namespace

TEST_CASE("messages of every length arrive whole, by copy and by loan, in their cell or in a chunk") {
  const auto reliability = GENERATE(Reliability::best_effort, Reliability::reliable);
  const PoolBench bench(reliability);
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  std::uint64_t number = 0;
  for (const std::size_t length : {0U, 1U, 63U, 64U, 65U, 66U, 4096U, 19'999U, 20'000U}) {
    const std::string text = length < 2 ? std::string(length, 'x') : pooled_text(++number, length);
    REQUIRE(send(*writer, text) == PublishResult::ok);
    CHECK(receive(*reader) == text);
    REQUIRE(publish_loan(*writer, text) == PublishResult::ok);
    CHECK(receive(*reader) == text);
  }
  CHECK(send(*writer, std::string(kLarge + 1, 'x')) == PublishResult::too_large);
  CHECK(writer->loan(kLarge + 1).refused == PublishResult::too_large);
  CHECK(books_are(reader->stats(), 18, 0, 0, 0));
}

TEST_CASE("a large message is read where its publisher wrote it: no copy lies between") {
  const auto reliability = GENERATE(Reliability::best_effort, Reliability::reliable);
  const PoolBench bench(reliability);
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  const auto file = bench.file();
  const LoanedBuffer loan = writer->loan(kLarge);
  REQUIRE(loan.data != nullptr);
  REQUIRE(lent_chunks(file) == 1);
  std::memset(loan.data, 'x', kLarge);
  REQUIRE(writer->publish(loan, kLarge, 0) == PublishResult::ok);
  const auto message = reader->take();
  REQUIRE(message);
  loan.data[5] = std::byte{'Y'};  // as nobody may: to see that it is the same memory
  CHECK(text_of(*message).substr(0, 7) == "xxxxxYx");
  CHECK(held_chunks(file) == 1);
  reader->release(*message);
  CHECK(held_chunks(file) == 0);
  CHECK(lent_chunks(file) == 0);
}

TEST_CASE("a chunk that everybody is done with is the next one lent: the cache has it") {
  const auto reliability = GENERATE(Reliability::best_effort, Reliability::reliable);
  const PoolBench bench(reliability);
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  const std::byte* first = nullptr;
  for (std::uint64_t i = 0; i < 100; ++i) {
    const LoanedBuffer loan = writer->loan(kLarge);
    REQUIRE(loan.data != nullptr);
    if (first == nullptr) first = loan.data;
    CHECK(loan.data == first);
    REQUIRE(writer->publish(loan, kLarge, 0) == PublishResult::ok);
    REQUIRE(receive(*reader));
  }
}

TEST_CASE("a loan that is dropped costs nothing, however often") {
  const PoolBench bench;
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  for (int i = 0; i < 10'000; ++i) {
    const LoanedBuffer loan = writer->loan(kLarge);
    REQUIRE(loan.data != nullptr);
    writer->discard(loan);
  }
  CHECK(lent_chunks(bench.file()) == 0);
  CHECK(books_are(reader->stats(), 0, 0, 0, 0));
}

TEST_CASE("views stay what they are until released, in any order, whatever is published meanwhile") {
  const PoolBench bench(Reliability::best_effort);
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  std::vector<std::pair<TakenMessage, std::string>> held;
  std::uint64_t number = 0;
  std::uint64_t state = 42;
  for (int round = 0; round < 3000; ++round) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    const std::string text = pooled_text(number++);
    REQUIRE(publish_loan(*writer, text) == PublishResult::ok);
    if (held.size() == 4) {
      const std::size_t victim = (state >> 33U) % held.size();
      reader->release(held[victim].first);
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(victim));
    }
    if ((state >> 40U) % 3 == 0) {
      const auto message = reader->take();
      if (message) held.emplace_back(*message, text_of(*message));
    }
    for (const auto& [view, expected] : held) REQUIRE(text_of(view) == expected);
  }
  for (const auto& [view, expected] : held) reader->release(view);
  CHECK(held_chunks(bench.file()) == 0);
}

TEST_CASE("a view is released by another thread than the one that took it") {
  const auto reliability = GENERATE(Reliability::best_effort, Reliability::reliable);
  const std::size_t length = GENERATE(32U, 20'000U);
  PoolBench bench(reliability);
  bench.spec.qos.max_blocking_time = 60s;
  const auto reader = bench.reader();
  std::thread publisher([&] {
    const auto writer = bench.writer();
    for (std::uint64_t i = 0; i < 4000; ++i) (void)send(*writer, pooled_text(i, length));
  });
  std::uint64_t wrong = 0;
  std::uint64_t seen = 0;
  const bool all = eventually([&] {
    const auto message = reader->take();
    if (message) {
      ++seen;
      std::thread([&] {
        if (message->size != length || text_of(*message) != pooled_text(message->info.sequence, length)) ++wrong;
        reader->release(*message);
      }).join();
    }
    const ReaderStats stats = reader->stats();
    return stats.reserved == 4000 && stats.queued == 0;
  });
  publisher.join();
  CHECK(all);
  CHECK(wrong == 0);
  CHECK(seen > 0);
  if (reliability == Reliability::reliable) CHECK(seen == 4000);
}

TEST_CASE("another thread that gives the oldest message back lets a waiting publisher go on") {
  PoolBench bench(Reliability::reliable, 4);
  bench.spec.qos.max_blocking_time = 60s;
  bench.set_option("evict_after", "60s");
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  for (int i = 0; i < 4; ++i) REQUIRE(send(*writer, "x") == PublishResult::ok);
  std::vector<TakenMessage> held;
  while (const auto message = reader->take()) held.push_back(*message);
  REQUIRE(held.size() == 4);
  std::atomic<bool> sent{false};
  std::thread publisher([&] { sent = send(*writer, "y") == PublishResult::ok; });
  for (const auto& message : held) std::thread([&] { reader->release(message); }).join();
  publisher.join();  // without another take: the releasing threads told it
  CHECK(sent);
}

TEST_CASE("a reader that holds max_views chunks takes nothing more, says why, and goes on after a release") {
  PoolBench bench(Reliability::reliable);
  bench.set_option("max_views", "2");
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  for (std::uint64_t i = 0; i < 3; ++i) REQUIRE(send(*writer, pooled_text(i)) == PublishResult::ok);
  const auto first = reader->take();
  const auto second = reader->take();
  REQUIRE(second);
  CHECK_FALSE(reader->holds_too_many());
  CHECK_FALSE(reader->take());
  CHECK(reader->holds_too_many());
  const auto wait = reader->arm();
  REQUIRE(wait);  // nothing to take as long as nothing is released: it may sleep
  CHECK(wait->word->load_acquire() == wait->expected);
  std::thread([&] { reader->release(*first); }).join();
  CHECK(wait->word->load_acquire() != wait->expected);
  const auto third = reader->take();
  REQUIRE(third);
  CHECK(text_of(*third) == pooled_text(2));
  CHECK(text_of(*second) == pooled_text(1));
  CHECK_FALSE(reader->holds_too_many());
}

TEST_CASE("more than was lent is refused, and the loan is given back") {
  const PoolBench bench;
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  const LoanedBuffer short_one = writer->loan(10);
  REQUIRE(short_one.size < kLarge);
  CHECK(writer->publish(short_one, short_one.size + 1, 0) == PublishResult::too_large);
  const LoanedBuffer long_one = writer->loan(kLarge);
  CHECK(writer->publish(long_one, kLarge + 1, 0) == PublishResult::too_large);
  CHECK(lent_chunks(bench.file()) == 0);
  CHECK_FALSE(reader->take());
  CHECK(writer->stats().timeouts == 0);
}

TEST_CASE("a publisher that holds max_loans gets no other, and is told so") {
  const PoolBench bench;
  const auto writer = bench.writer();
  const LoanedBuffer first = writer->loan(kLarge);
  const LoanedBuffer second = writer->loan(kLarge);
  REQUIRE(second.data != nullptr);
  const LoanedBuffer third = writer->loan(kLarge);
  CHECK(third.data == nullptr);
  CHECK(third.refused == PublishResult::out_of_chunks);
  CHECK(writer->explain(third.refused, kLarge) ==
        "this publisher holds 2 loans, as many as it may (max_loans); publish or drop one, or raise max_loans");
  writer->discard(first);
  CHECK(writer->loan(kLarge).data != nullptr);
  writer->discard(second);
}

TEST_CASE("when every chunk is taken the publisher learns who has them") {
  PoolBench bench(Reliability::best_effort, 1);
  bench.set_option("chunks", "3 x 20000B");
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  std::vector<TakenMessage> held;
  for (std::uint64_t i = 0; i < 3; ++i) {
    REQUIRE(send(*writer, pooled_text(i)) == PublishResult::ok);
    held.push_back(*reader->take());
  }
  CHECK(send(*writer, pooled_text(3)) == PublishResult::out_of_chunks);
  const LoanedBuffer refused = writer->loan(kLarge);
  CHECK(refused.refused == PublishResult::out_of_chunks);
  const std::string reason = writer->explain(refused.refused, kLarge);
  CHECK_THAT(reason, Catch::Contains("of 3 chunks") &&
                         Catch::Contains("3 held by process " + std::to_string(getpid())) &&
                         Catch::Contains("raise 'chunks'"));
  CHECK(send(*writer, "short ones need none") == PublishResult::ok);
  reader->release(held[1]);
  CHECK(send(*writer, pooled_text(4)) == PublishResult::ok);
}

TEST_CASE("of several chunk sizes the smallest that is large enough and free is lent") {
  PoolBench bench(Reliability::best_effort, 2);
  bench.set_option("chunks", "1 x 20000B, 2 x 1KiB");
  const auto writer = bench.writer();
  const LoanedBuffer small = writer->loan(1000);
  CHECK(small.size == 1024);
  const LoanedBuffer next = writer->loan(1024);
  CHECK(next.size == 1024);
  writer->discard(small);
  const LoanedBuffer large = writer->loan(1025);
  CHECK(large.size == kLarge);
  writer->discard(next);
  const LoanedBuffer again = writer->loan(100);
  CHECK(again.size == 1024);
  writer->discard(large);
  writer->discard(again);
}

TEST_CASE("64 MiB and more travel like everything else") {
  PoolBench bench(Reliability::reliable, 1, (64U << 20U) + 5);
  bench.set_option("chunks", "2 x 65MiB");
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  const std::size_t length = (64U << 20U) + 5;
  const LoanedBuffer loan = writer->loan(length);
  REQUIRE(loan.data != nullptr);
  std::memset(loan.data, 7, length);
  REQUIRE(writer->publish(loan, length, 0) == PublishResult::ok);
  const auto message = reader->take();
  REQUIRE(message);
  CHECK(message->size == length);
  CHECK(message->data[length - 1] == std::byte{7});
}

TEST_CASE("what a dead reader held and a dead publisher had borrowed is lent again") {
  PoolBench bench(Reliability::best_effort, 1);
  bench.set_option("chunks", "4 x 20000B");
  const auto writer = bench.writer();
  ChildProcess dying([&] {
    const auto reader = bench.reader();
    const auto other = bench.writer();
    const LoanedBuffer first = other->loan(kLarge);
    const LoanedBuffer second = other->loan(kLarge);
    if (second.data == nullptr) return 1;
    (void)first;
    while (!reader->take()) std::this_thread::yield();
    ::pause();
    return 0;
  });
  const auto file = bench.file();
  REQUIRE(eventually([&] { return lent_chunks(file) == 2 && file.reader(0).state.load_acquire() != 0; }));
  REQUIRE(send(*writer, pooled_text(0)) == PublishResult::ok);
  REQUIRE(eventually([&] { return held_chunks(file) == 1; }));
  dying.kill(SIGKILL);
  dying.wait();
  for (std::uint64_t i = 0; i < 20; ++i) CHECK(send(*writer, pooled_text(i)) == PublishResult::ok);
  const LoanedBuffer first = writer->loan(kLarge);
  const LoanedBuffer second = writer->loan(kLarge);
  CHECK(second.data != nullptr);  // with the one in the window: three of four
  writer->discard(first);
  writer->discard(second);
  CHECK(lent_chunks(file) == 0);
  CHECK(held_chunks(file) == 0);
}

TEST_CASE("a reference to a chunk that does not exist is passed over") {
  const auto reliability = GENERATE(Reliability::best_effort, Reliability::reliable);
  const PoolBench bench(reliability);
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  const auto file = bench.file();
  REQUIRE(send(*writer, pooled_text(0)) == PublishResult::ok);
  REQUIRE(send(*writer, pooled_text(1)) == PublishResult::ok);
  const std::uint32_t wild = 0xFFFF'FFF0U;
  std::memcpy(slick::TopicFile::payload(file.cell(0)), &wild, sizeof(wild));
  CHECK(receive(*reader) == pooled_text(1));
  CHECK(books_are(reader->stats(), 1, 0, 1, 0));
}

TEST_CASE("an evicted reader's views of chunks stay valid") {
  PoolBench bench(Reliability::reliable, 4);
  bench.set_option("stall_timeout", "1ms");
  bench.set_option("evict_after", "30ms");
  bench.spec.qos.max_blocking_time = 60s;
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  REQUIRE(send(*writer, pooled_text(0)) == PublishResult::ok);
  const auto held = reader->take();
  REQUIRE(held);
  for (std::uint64_t i = 1; i < 20; ++i) REQUIRE(send_elsewhere(*writer, pooled_text(i)) == PublishResult::ok);
  CHECK(text_of(*held) == pooled_text(0));
  CHECK(reader->valid(*held));
  reader->release(*held);
  CHECK_FALSE(reader->take());
  CHECK(reader->stats().evictions == 1);
  CHECK(books_are(reader->stats(), 1, 19, 0, 0));
}
