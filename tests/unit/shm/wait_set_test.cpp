#include <sluice/shm/wait_set.hpp>

#include <sys/mman.h>

#include <catch2/catch.hpp>

#include <memory>
#include <thread>
#include <vector>

using namespace sluice::shm;
using namespace std::chrono_literals;

namespace {

struct Bells {
  explicit Bells(std::size_t count) : bells(std::make_unique<Doorbell[]>(count)), size(count) {}

  std::vector<WaitSet::Entry> arm() {
    std::vector<WaitSet::Entry> entries;
    for (std::size_t i = 0; i < size; ++i) {
      const std::uint32_t value = bells[i].arm();
      entries.push_back({&bells[i].word(), value});
    }
    return entries;
  }

  std::unique_ptr<Doorbell[]> bells;
  std::size_t size;
};

/// Those that work on this kernel.
std::vector<WaitSet::Method> methods() {
  if (!WaitSet::kernel_has_futex_waitv()) return {WaitSet::Method::polling};
  return {WaitSet::Method::futex_waitv, WaitSet::Method::polling};
}

}  // namespace

TEST_CASE("a wait set hears every one of its words, also beyond one kernel call's limit") {
  const auto method = GENERATE(from_range(methods()));
  const std::size_t count = GENERATE(std::size_t{1}, WaitSet::kGroup, WaitSet::kGroup + 1, 3 * WaitSet::kGroup + 5);
  if (method == WaitSet::Method::futex_waitv && !WaitSet::kernel_has_futex_waitv()) return;
  WaitSet set(method);
  Bells bells(count);
  for (const std::size_t which : {std::size_t{0}, count / 2, count - 1}) {
    const auto entries = bells.arm();
    std::thread ringer([&] {
      std::this_thread::sleep_for(2ms);
      bells.bells[which].ring();
    });
    CHECK(set.wait(entries, Deadline::after(20s)) == WaitResult::rung);
    ringer.join();
  }
}

TEST_CASE("a word that changed before the wait ends it at once") {
  const auto method = GENERATE(from_range(methods()));
  WaitSet set(method);
  Bells bells(300);
  const auto entries = bells.arm();
  bells.bells[299].ring();
  CHECK(set.wait(entries, Deadline::after(20s)) == WaitResult::rung);
}

TEST_CASE("a wait set with nothing to hear times out, and an interrupt before the wait counts") {
  const auto method = GENERATE(from_range(methods()));
  WaitSet set(method);
  CHECK(set.wait({}, Deadline::after(5ms)) == WaitResult::timeout);
  set.interrupt();
  CHECK(set.wait({}, Deadline::after(20s)) == WaitResult::rung);
  CHECK(set.wait({}, Deadline::after(5ms)) == WaitResult::timeout);
}

TEST_CASE("a word that took another one's address and value is waited for, and kept words stay waited for") {
  // What a helper thread sleeps on is the memory, and an executor's topics come and go at the same addresses.
  const std::size_t page = 4096;
  const auto map = [&](void* at) {
    return ::mmap(at, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | (at != nullptr ? MAP_FIXED : 0), -1,
                  0);
  };
  void* const address = map(nullptr);
  REQUIRE(address != MAP_FAILED);
  WaitSet set;
  Bells bells(WaitSet::kGroup);
  auto entries = bells.arm();
  auto& last = *static_cast<Doorbell*>(address);
  const std::uint32_t value = last.arm();
  entries.push_back({&last.word(), value});
  CHECK(set.wait(entries, Deadline::after(5ms)) == WaitResult::timeout);
  const auto ring_is_heard = [&] {
    std::thread ringer([&] {
      std::this_thread::sleep_for(2ms);
      last.ring();
    });
    CHECK(set.wait(entries, Deadline::after(20s)) == WaitResult::rung);
    ringer.join();
  };
  SECTION("replaced") {
    REQUIRE(map(address) == address);
    REQUIRE(last.arm() == value);
    ring_is_heard();
  }
  SECTION("kept") {
    for (WaitSet::Entry& entry : entries) entry.kept = true;
    ring_is_heard();
    entries.back().expected = last.arm();
    for (int again = 0; again < 100; ++again) {
      CHECK(set.wait(entries, Deadline::after(0ms)) == WaitResult::timeout);
    }
    ring_is_heard();
  }
  SECTION("left out for a while") {
    CHECK(set.wait(std::span(entries).first(3), Deadline::after(5ms)) == WaitResult::timeout);
    for (WaitSet::Entry& entry : entries) entry.kept = true;
    ring_is_heard();
  }
  ::munmap(address, page);
}
