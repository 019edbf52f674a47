#include <catch2/catch.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "support/child_process.hpp"
#include "unit/slick/slick_support.hpp"

using namespace sluice;
using namespace sluice::test;
using namespace std::chrono_literals;

namespace {

struct ObservedBench : TopicBench {
  explicit ObservedBench(Reliability reliability = Reliability::reliable, std::uint32_t depth = 8)
      : TopicBench(reliability, depth, 9000) {
    set_option("inline_limit", "64B");
    spec.qos.max_blocking_time = 60s;
  }
  [[nodiscard]] std::unique_ptr<Reader> observer(Observed what = Observed::messages) const {
    return transport->open_observer(spec, context(), what);
  }
};

std::string long_text(std::uint64_t number, std::size_t length) {
  std::string text = std::to_string(number) + ":";
  text.resize(length, static_cast<char>('a' + number % 26));
  return text;
}

}  // namespace

TEST_CASE("an observer sees what is published, and nobody sees the observer") {
  const auto reliability = GENERATE(Reliability::best_effort, Reliability::reliable);
  const std::size_t length = GENERATE(16U, 9000U);
  const ObservedBench bench(reliability);
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  const auto observer = bench.observer();
  for (std::uint64_t i = 0; i < 5; ++i) {
    REQUIRE(send(*writer, long_text(i, length)) == PublishResult::ok);
    CHECK(receive(*observer) == long_text(i, length));
  }
  CHECK(receive_all(*reader).size() == 5);
  CHECK(writer->reader_count() == 1);
  CHECK(observer->writer_count() == 1);
  CHECK(bench.file().reader_entries() == 1);
  CHECK(books_are(observer->stats(), 5, 0, 0, 0));
}

TEST_CASE("an observer that keeps up misses nothing, also what is published while it looks") {
  const ObservedBench bench(Reliability::best_effort, 64);
  const auto writer = bench.writer();
  const auto observer = bench.observer();
  constexpr std::uint64_t kMessages = 200'000;
  std::atomic<std::uint64_t> taken{0};
  std::thread publisher([&] {
    for (std::uint64_t i = 0; i < kMessages; ++i) {
      while (taken.load(std::memory_order_acquire) + 4 < i) std::this_thread::yield();
      (void)send(*writer, "x");
    }
  });
  ReaderStats stats;
  while (stats.received + stats.lost + stats.skipped < kMessages) {
    if (const auto message = observer->take()) observer->release(*message);
    stats = observer->stats();
    taken.store(stats.received + stats.lost + stats.skipped, std::memory_order_release);
  }
  publisher.join();
  CHECK(stats.received == kMessages);
}

TEST_CASE("an observer of headers gets all but the data, of messages in cells and in chunks") {
  const std::size_t length = GENERATE(16U, 9000U);
  const ObservedBench bench(Reliability::best_effort);
  const auto writer = bench.writer();
  const auto observer = bench.observer(Observed::headers);
  for (std::uint64_t i = 0; i < 5; ++i) {
    REQUIRE(send(*writer, long_text(i, length)) == PublishResult::ok);
    const auto message = observer->take();
    REQUIRE(message);
    CHECK(message->data == nullptr);
    CHECK(message->size == length);
    CHECK(message->info.sequence == i);
    observer->release(*message);
  }
  for (std::uint64_t i = 0; i < 100; ++i) REQUIRE(send(*writer, "lap") == PublishResult::ok);
  while (const auto message = observer->take()) observer->release(*message);
  const ReaderStats stats = observer->stats();
  CHECK(stats.lost > 0);
  CHECK(stats.received + stats.lost == 105);
}

TEST_CASE("an observer writes nothing: the file may be read-only for it") {
  const ObservedBench bench;
  const auto writer = bench.writer();
  REQUIRE(::chmod(bench.path().c_str(), 0444) == 0);
  REQUIRE(::chmod(bench.directory.path().c_str(), 0755) == 0);
  ChildProcess watcher([&] {
    // Root may write everywhere, so it becomes somebody else.
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) return 2;
    const auto observer = bench.observer();
    std::uint64_t seen = 0;
    while (seen < 3) seen += receive_all(*observer).size();
    return 0;
  });
  REQUIRE(eventually([&] {
    (void)send(*writer, "x");
    int status = 0;
    return ::waitpid(watcher.pid(), &status, WNOHANG) == watcher.pid() && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }));
}

TEST_CASE("a reliable publisher waits for readers, not for observers, and these count what they missed") {
  const std::size_t length = GENERATE(16U, 9000U);
  const ObservedBench bench;
  const auto writer = bench.writer();
  const auto observer = bench.observer();
  for (std::uint64_t i = 0; i < 1000; ++i) REQUIRE(send(*writer, long_text(i, length)) == PublishResult::ok);
  const auto seen = receive_all(*observer);
  const ReaderStats stats = observer->stats();
  CHECK(books_are(stats, seen.size(), 1000 - seen.size(), 0, 0));
  CHECK(stats.lost > 900);
  if (!seen.empty()) CHECK(seen.back() == long_text(999, length));
}

TEST_CASE("an observer may come before the topic, and stays when the topic goes and comes back") {
  const ObservedBench bench;
  const auto observer = bench.observer();
  CHECK_FALSE(observer->take());
  CHECK(observer->arm());
  for (int life = 0; life < 3; ++life) {
    const auto writer = bench.writer();
    REQUIRE(eventually([&] {
      (void)send(*writer, std::to_string(life));
      const auto text = receive(*observer);
      return text && *text == std::to_string(life);
    }));
  }
  const ReaderStats stats = observer->stats();
  CHECK(stats.reserved - stats.joined == stats.received + stats.lost + stats.skipped + stats.queued);
}

TEST_CASE("no observer takes a torn message, whatever becomes of the memory under its eyes") {
  const std::size_t length = GENERATE(64U, 9000U);
  const ObservedBench bench(Reliability::best_effort, 2);
  const auto reader = bench.reader();
  const auto observer = bench.observer();
  std::atomic<bool> stop{false};
  std::thread publisher([&] {
    const auto writer = bench.writer();
    for (std::uint64_t i = 0; !stop.load(std::memory_order_relaxed); ++i) (void)send(*writer, long_text(i, length));
  });
  std::thread taker([&] {  // so that chunks are lent again at once
    while (!stop.load(std::memory_order_relaxed)) (void)receive(*reader);
  });
  std::uint64_t wrong = 0;
  std::uint64_t seen = 0;
  (void)eventually(
      [&] {
        for (int i = 0; i < 1000; ++i) {
          const auto message = observer->take();
          if (!message) continue;
          ++seen;
          if (text_of(*message) != long_text(message->info.sequence, length)) ++wrong;
          observer->release(*message);
        }
        return seen > 20'000;
      },
      10s);
  stop = true;
  publisher.join();
  taker.join();
  CHECK(wrong == 0);
  CHECK(seen > 0);
  const ReaderStats stats = observer->stats();
  CHECK(stats.reserved - stats.joined == stats.received + stats.lost + stats.skipped + stats.queued);
}

TEST_CASE("an observer gets the history it asks for") {
  ObservedBench bench;
  bench.spec.qos.durability = Durability::transient_local;
  bench.spec.qos.history = 3;
  const auto writer = bench.writer();
  for (std::uint64_t i = 0; i < 10; ++i) REQUIRE(send(*writer, std::to_string(i)) == PublishResult::ok);
  CHECK(receive_all(*bench.observer()) == std::vector<std::string>{"7", "8", "9"});
}
