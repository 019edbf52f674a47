#include <catch2/catch.hpp>

#include <set>

#include <sluice/slick/shared_cursor.hpp>

#include "interop/raw_support.hpp"
#include "support/child_process.hpp"

using namespace sluice;
using namespace sluice::slick;
using namespace sluice::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

struct GroupBench : RawBench {
  GroupBench() { set_option("group", group.name()); }
  SegmentName group;
};

std::uint64_t number_in(const TakenMessage& message) {
  std::uint64_t number = 0;
  std::memcpy(&number, message.data, sizeof number);
  return number;
}

}  // namespace

TEST_CASE("a group's members get each message once, from the first one on") {
  GroupBench bench;
  const auto writer = bench.writer();
  for (int i = 0; i < 4; ++i) REQUIRE(send(*writer, kEight) == PublishResult::ok);
  const auto first = bench.reader();
  const auto second = bench.reader();
  CHECK(receive(*first));
  CHECK(receive(*second));
  CHECK(receive(*first));
  CHECK(receive(*second));
  CHECK_FALSE(receive(*first));
  CHECK_FALSE(receive(*second));
  CHECK(first->stats().received == 2);
  CHECK(second->stats().queued == 0);
  CHECK(std::filesystem::file_size(bench.group.path()) == 8);
  CHECK(writer->reader_count() == 2);
}

TEST_CASE("a foreign worker shares a group's cursor") {
  GroupBench bench;
  const auto writer = bench.writer();
  const auto member = bench.reader();
  SharedCursor foreign(bench.group.name());
  for (int i = 0; i < 4; ++i) REQUIRE(send(*writer, kEight) == PublishResult::ok);
  foreign.get().fetch_add(2);  // two messages of one element
  CHECK(receive_all(*member).size() == 2);
}

TEST_CASE("members in processes of their own miss nothing and take nothing twice") {
  constexpr std::uint64_t kMessages = 40'000;
  GroupBench bench;
  bench.spec.qos.depth = 65536;  // nobody is lapped
  const auto writer = bench.writer();
  struct Taken {
    std::array<std::atomic<std::uint8_t>, kMessages> times;
  };
  auto* taken =
      static_cast<Taken*>(::mmap(nullptr, sizeof(Taken), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  REQUIRE(taken != MAP_FAILED);
  std::vector<ChildProcess> members;
  for (int k = 0; k < 3; ++k) {
    members.emplace_back([&] {
      const auto reader = bench.reader();
      for (;;) {
        const auto message = reader->take();
        if (!message) {
          (void)reader->arm();
          continue;
        }
        const std::uint64_t number = number_in(*message);
        if (number == UINT64_MAX) return 0;
        taken->times[number].fetch_add(1);
        reader->release(*message);
      }
    });
  }
  for (std::uint64_t i = 0; i < kMessages; ++i) {
    REQUIRE(writer->publish_copy(std::as_bytes(std::span(&i, 1)), 0) == PublishResult::ok);
  }
  const std::uint64_t end = UINT64_MAX;
  for (std::size_t k = 0; k < members.size(); ++k) {
    REQUIRE(writer->publish_copy(std::as_bytes(std::span(&end, 1)), 0) == PublishResult::ok);
  }
  for (auto& member : members) CHECK(member.wait() == 0);
  std::uint64_t wrong = 0;
  for (const auto& times : taken->times) wrong += times.load() == 1 ? 0 : 1;
  CHECK(wrong == 0);
  ::munmap(taken, sizeof(Taken));
}

TEST_CASE("a hole does not hold a group up") {
  GroupBench bench;
  const auto writer = bench.writer();
  const auto member = bench.reader();
  TestRing foreign = bench.ring();
  (void)foreign.reserve(1);
  REQUIRE(send(*writer, kEight) == PublishResult::ok);
  CHECK(eventually([&] { return receive(*member).has_value(); }));
  CHECK(member->stats().skipped == 1);
}

TEST_CASE("a group needs an object of its own and is best_effort") {
  GroupBench bench;
  bench.set_option("group", bench.name.name());
  CHECK_THROWS_WITH(bench.transport->validate(bench.spec), Contains("is the segment itself"));
  bench.set_option("group", "a/b");
  CHECK_THROWS_WITH(bench.transport->validate(bench.spec), Contains("must be one file name"));
  bench.set_option("group", bench.group.name());
  bench.spec.qos.reliability = Reliability::reliable;
  CHECK_THROWS_WITH(bench.transport->validate(bench.spec), Contains("a work-stealing group is best_effort"));
}
