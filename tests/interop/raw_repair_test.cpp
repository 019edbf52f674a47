#include <catch2/catch.hpp>

#include <sluice/slick/inspect.hpp>

#include "interop/raw_support.hpp"
#include "support/child_process.hpp"

#include "slick/raw_companion.hpp"

using namespace sluice;
using namespace sluice::slick;
using namespace sluice::test;
using namespace std::chrono_literals;

namespace {

/// A Sluice producer in a process of its own that dies owning a grant of n elements that it has stored nothing of.
void die_owning(RawBench& bench, std::uint32_t n) {
  ChildProcess child([&] {
    const auto writer = bench.writer();
    Segment segment = attach_segment(golden_request(bench.name));
    Companion companion(bench.spec, parse_raw_options(bench.spec), bench.context(), segment);
    Ring ring(segment.memory);
    const Ring::Grant grant = ring.grant(n);
    companion.file().writer(0).grant.store_release(make_reserved(grant.position, n));
    ::kill(::getpid(), SIGKILL);
    return 0;
  });
  CHECK(child.wait() != 0);
}

std::uint64_t slot_value(const RawBench& bench, std::uint64_t index) {
  return bench.ring().slot(index).data_index.load_acquire();
}

/// What an original reader does at c: it takes whatever is not behind it, and goes where a value that is not of this
/// slot sends it.
std::uint64_t upstream_cursor(const RawBench& bench, std::uint64_t c) {
  const TestRing ring = bench.ring();
  for (;;) {
    const std::uint64_t v = ring.slot(c).data_index.load_acquire();
    if (v == kNoIndex || v < c) return c;
    c = (v & 7U) != (c & 7U) ? v : v + ring.slot(v).size.load_relaxed();
  }
}

}  // namespace

TEST_CASE("a dead Sluice producer's hole is repaired in place, and foreign readers pass it") {
  RawBench bench;
  bench.set_option("hole_timeout", "0s");  // no stepping over: only the repair helps
  const auto reader = bench.reader();
  const auto [before, n, after_wrap] = GENERATE(table<std::uint32_t, std::uint32_t, std::uint64_t>(
      {{2, 1, 3}, {2, 3, 5}, {7, 1, 8}, {6, 3, 11}, {5, 4, 12}, {0, 4, 4}}));
  INFO(before << " messages, then a grant of " << n);
  for (std::uint32_t i = 0; i < before; ++i) REQUIRE(send(*bench.writer(), kEight) == PublishResult::ok);
  CHECK(receive_all(*reader).size() == before);
  die_owning(bench, n);
  REQUIRE(upstream_cursor(bench, 0) == before);  // stuck
  CHECK(eventually([&] { return receive_all(*reader).empty() && upstream_cursor(bench, 0) == after_wrap; }));
  CHECK(inspect_segment(bench.name.name()).holes == 0);
  const auto writer = bench.writer();
  REQUIRE(send(*writer, kEight) == PublishResult::ok);
  CHECK(receive(*reader) == kEight);
  CHECK(books_are(reader->stats(), before + 1, 0, after_wrap - before, 0));
}

TEST_CASE("whoever takes a dead producer's entry repairs its hole first") {
  RawBench bench;
  const auto keeper = bench.reader();  // so that the companion stays
  for (int i = 0; i < 2; ++i) REQUIRE(send(*bench.writer(), kEight) == PublishResult::ok);
  die_owning(bench, 1);
  CHECK(slot_value(bench, 2) == kNoIndex);
  const auto writer = bench.writer();
  CHECK(slot_value(bench, 2) == 3);
  REQUIRE(send(*writer, kEight) == PublishResult::ok);
  CHECK(upstream_cursor(bench, 0) == 4);
}

TEST_CASE("a living producer's unpublished grant is not repaired") {
  RawBench bench;
  bench.set_option("hole_timeout", "0s");
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  Segment segment = attach_segment(golden_request(bench.name));
  Companion companion(bench.spec, parse_raw_options(bench.spec), bench.context(), segment);
  Ring ring(segment.memory);
  const Ring::Grant grant = ring.grant(1);
  companion.file().writer(0).grant.store_release(make_reserved(grant.position, 1));
  const auto until = shm::Deadline::after(100ms);
  while (!until.passed()) REQUIRE_FALSE(reader->take());
  CHECK(companion.settle(ring, 0) == Companion::Owner::living);
  CHECK(slot_value(bench, 0) == kNoIndex);
  CHECK(ring.publish(grant.index, 1));
  CHECK(reader->take());
}

TEST_CASE("filling a hole never unmakes a message, whatever came in between") {
  const SegmentName name;
  TestRing ring(open_segment(golden_request(name)));
  const std::uint64_t hole = ring.reserve(1);
  SECTION("the owner published after all") {
    REQUIRE(ring.publish(hole, 1));
    CHECK_FALSE(ring.fill_hole(hole, hole + 1));
    CHECK(ring.slot(hole).data_index.load_acquire() == hole);
  }
  SECTION("two repairers") {
    CHECK(ring.fill_hole(hole, hole + 1));
    CHECK_FALSE(ring.fill_hole(hole, hole + 1));
    CHECK(ring.slot(hole).data_index.load_acquire() == hole + 1);
  }
  SECTION("a repairer that comes a lap late, after the slot's next message or before it") {
    for (int i = 0; i < 7; ++i) publish_golden(ring, 1);
    const std::uint64_t next = ring.reserve(1);
    CHECK(next == hole + 8);
    CHECK_FALSE(ring.fill_hole(hole, hole + 1));
    REQUIRE(ring.publish(next, 1));
    CHECK_FALSE(ring.fill_hole(hole, hole + 1));
    CHECK(ring.slot(hole).data_index.load_acquire() == next);
  }
  SECTION("nothing beyond what is reserved, and no whole lap, is filled") {
    CHECK_FALSE(ring.fill_hole(hole, hole + 2));
    for (int i = 0; i < 7; ++i) (void)ring.reserve(1);
    CHECK_FALSE(ring.fill_hole(hole, hole + 8));
  }
  SECTION("read_last looks behind it") {
    publish_golden(ring, 1);
    (void)ring.reserve(1);
    CHECK(ring.fill_hole(hole, hole + 1));
    CHECK(ring.fill_hole(hole + 2, hole + 3));
    Ring::Message last;
    REQUIRE(ring.find_last(last));
    CHECK(last.index == 1);
  }
}
