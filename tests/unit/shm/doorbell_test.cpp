#include <sluice/shm/doorbell.hpp>

#include <catch2/catch.hpp>

#include <thread>

using namespace sluice::shm;
using namespace std::chrono_literals;

TEST_CASE("a doorbell nobody waits at is not waiting and ringing it changes nothing") {
  Doorbell bell{};
  CHECK_FALSE(bell.waiting());
  bell.ring();
  CHECK(bell.word().load_relaxed() == 0);
}

TEST_CASE("arming sets the bit, ringing clears it and changes the word") {
  Doorbell bell{};
  const std::uint32_t value = bell.arm();
  CHECK(bell.waiting());
  bell.ring();
  CHECK_FALSE(bell.waiting());
  CHECK(bell.word().load_relaxed() != value);
  CHECK(bell.sleep(value, Deadline::never()) == WaitResult::rung);
}

TEST_CASE("a sleeper at an untouched doorbell times out") {
  Doorbell bell{};
  const std::uint32_t value = bell.arm();
  CHECK(bell.sleep(value, Deadline::after(5ms)) == WaitResult::timeout);
}

TEST_CASE("no ring is lost between arming and sleeping") {
  Doorbell bell{};
  SharedAtomic<std::uint64_t> published{};
  constexpr std::uint64_t kMessages = 100'000;
  std::thread reader([&] {
    for (std::uint64_t seen = 0; seen < kMessages;) {
      const std::uint32_t value = bell.arm();
      const std::uint64_t now = published.load_acquire();
      if (now != seen) {
        seen = now;
        continue;
      }
      REQUIRE(bell.sleep(value, Deadline::after(20s)) == WaitResult::rung);
    }
  });
  for (std::uint64_t i = 0; i < kMessages; ++i) {
    published.fetch_add_seq_cst(1);
    if (bell.waiting()) bell.ring();
  }
  reader.join();
}
