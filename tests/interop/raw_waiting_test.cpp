#include <catch2/catch.hpp>

#include <sys/stat.h>

#include <thread>

#include "interop/raw_support.hpp"
#include "support/child_process.hpp"

using namespace sluice;
using namespace sluice::slick;
using namespace sluice::test;
using namespace std::chrono_literals;

namespace {

/// Sleeps as an executor does; whether it was rung, and not merely slept out.
bool sleep_on(Reader& reader) {
  const auto wait = reader.arm();
  if (!wait) return true;
  return shm::futex_wait(*wait->word, wait->expected, shm::Deadline::after(30s)) == shm::WaitResult::rung;
}

int threads_of_this_process() {
  return static_cast<int>(std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}));
}

}  // namespace

TEST_CASE("a sleeping raw reader is woken for a foreign producer, again and again") {
  const RawBench bench;
  const auto reader = bench.reader();
  TestRing foreign = bench.ring();
  for (int i = 0; i < 20; ++i) {
    std::thread producer([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds{i % 4});
      publish_golden(foreign, 1);
    });
    std::optional<std::string> text;
    while (!(text = receive(*reader))) REQUIRE(sleep_on(*reader));
    producer.join();
  }
  CHECK(books_are(reader->stats(), 20, 0, 0, 0));
}

TEST_CASE("a sleeping raw reader is rung by a Sluice producer itself") {
  const RawBench bench;
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  const auto wait = reader->arm();
  REQUIRE(wait);
  REQUIRE(send(*writer, kEight) == PublishResult::ok);
  CHECK(wait->word->load_acquire() != wait->expected);
}

TEST_CASE("one thread polls for all raw readers of a process, and ends with the last") {
  const int before = threads_of_this_process();
  {
    const RawBench a;
    const RawBench b;
    const auto first = a.reader();
    const auto second = b.reader();
    const auto third = b.reader();
    CHECK(threads_of_this_process() == before + 1);
    TestRing foreign_a = a.ring();
    TestRing foreign_b = b.ring();
    publish_golden(foreign_a, 1);
    publish_golden(foreign_b, 1);
    for (Reader* reader : {first.get(), second.get(), third.get()}) {
      while (!receive(*reader)) REQUIRE(sleep_on(*reader));
    }
  }
  CHECK(eventually([&] { return threads_of_this_process() == before; }));
}

TEST_CASE("a segment that a topic creates has the domain's rights, or those of its mode") {
  RawBench bench;
  struct stat info {};
  {
    const auto writer = bench.writer();
    REQUIRE(::stat(bench.name.path().c_str(), &info) == 0);
    CHECK((info.st_mode & 0777U) == 0600);
  }
  ::shm_unlink(bench.name.name().c_str());
  bench.set_option("mode", "0664");
  const auto writer = bench.writer();
  REQUIRE(::stat(bench.name.path().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0664);
  for (const auto& [mode, says] : {std::pair{"rw", "is no file mode"},
                                   {"0999", "is no file mode"},
                                   {"0444", "would shut out its own user"},
                                   {"01777", "is no file mode"}}) {
    bench.set_option("mode", mode);
    CHECK_THROWS_WITH(bench.transport->validate(bench.spec), Catch::Matchers::Contains(says));
  }
}
