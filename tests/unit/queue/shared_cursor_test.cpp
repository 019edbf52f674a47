#include <sluice/slick/shared_cursor.hpp>

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <thread>
#include <vector>

#include <sluice/slick/queue.hpp>

#include "support/segment_name.hpp"

using namespace sluice::slick;
using namespace sluice::test;

TEST_CASE("readers that share a cursor get each message once, and all of them together every message") {
  constexpr std::uint64_t kMessages = 50'000;
  Queue<std::uint64_t> queue(1U << 16U);
  std::atomic<std::uint64_t> cursor{0};
  std::vector<std::vector<std::uint64_t>> got(3);
  std::vector<std::thread> readers;
  std::atomic<std::uint64_t> total{0};
  for (auto& mine : got) {
    readers.emplace_back([&] {
      while (total.load() < kMessages) {
        const auto [value, n] = queue.read(cursor);
        if (value == nullptr) continue;
        for (std::uint32_t i = 0; i < n; ++i) mine.push_back(value[i]);
        total.fetch_add(n);
      }
    });
  }
  for (std::uint64_t value = 0; value < kMessages;) {
    const std::uint32_t n = value + 3 <= kMessages && value % 5 == 0 ? 3 : 1;
    const std::uint64_t index = queue.reserve(n);
    for (std::uint32_t i = 0; i < n; ++i) *queue[index + i] = value++;
    REQUIRE(queue.publish(index, n));
  }
  for (auto& reader : readers) reader.join();
  std::map<std::uint64_t, int> times;
  for (const auto& mine : got) {
    CHECK(std::is_sorted(mine.begin(), mine.end()));
    for (const auto value : mine) ++times[value];
  }
  CHECK(times.size() == kMessages);
  CHECK(std::all_of(times.begin(), times.end(), [](const auto& entry) { return entry.second == 1; }));
  CHECK(queue.loss_count() == 0);
}

TEST_CASE("a shared cursor that was lapped goes on at the oldest message, counted once") {
  Queue<std::uint64_t> queue(8);
  std::atomic<std::uint64_t> cursor{0};
  for (std::uint64_t i = 0; i < 21; ++i) {
    const auto index = queue.reserve();
    *queue[index] = i;
    queue.publish(index);
  }
  for (std::uint64_t expected = 13; expected < 21; ++expected) CHECK(*queue.read(cursor).first == expected);
  CHECK(queue.read(cursor).first == nullptr);
  CHECK(queue.loss_count() == 13);
}

TEST_CASE("a shared cursor passes wrap markers and holes, and returns to 0 after a reset") {
  QueueOptions options;
  options.hole_timeout = std::chrono::milliseconds{1};
  Queue<std::uint64_t> queue(8, nullptr, options);
  std::atomic<std::uint64_t> cursor{0};
  const auto push = [&](std::uint32_t n) {
    const auto index = queue.reserve(n);
    *queue[index] = index;
    queue.publish(index, n);
  };
  push(3);
  push(3);
  CHECK(queue.read(cursor).second == 3);
  push(3);
  CHECK(queue.read(cursor).second == 3);
  CHECK(*queue.read(cursor).first == 8);
  (void)queue.reserve();
  push(1);
  std::pair<std::uint64_t*, std::uint32_t> found{};
  for (int i = 0; i < 30'000 && found.first == nullptr; ++i) {
    found = queue.read(cursor);
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  REQUIRE(found.first != nullptr);
  CHECK(*found.first == 12);
  CHECK(queue.skipped_count() == 3);
  queue.reset();
  push(1);
  CHECK(*queue.read(cursor).first == 0);
  CHECK(cursor == 1);
}

TEST_CASE("a cursor object is eight bytes under its own name, and refuses to be laid over something else") {
  const SegmentName name;
  {
    SharedCursor first(name.name(), 7);
    CHECK(first.created());
    CHECK(std::filesystem::file_size(name.path()) == 8);
    SharedCursor second(name.name().substr(1));
    CHECK_FALSE(second.created());
    CHECK(second.get() == 7);
    second.get() = 9;
    CHECK(first.get() == 9);
  }
  CHECK(std::filesystem::exists(name.path()));
  CHECK(SharedCursor::remove(name.name()));
  CHECK_FALSE(SharedCursor::remove(name.name()));
  std::ofstream(name.path()) << "something else";
  CHECK_THROWS_WITH(SharedCursor(name.name()), Catch::Contains("has 14 bytes, but a shared cursor has 8"));
}
