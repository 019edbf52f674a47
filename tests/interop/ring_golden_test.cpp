#include <catch2/catch.hpp>

#include <functional>
#include <map>

#include "interop/golden_support.hpp"

using namespace sluice;
using namespace sluice::slick;
using namespace sluice::test;

namespace {

/// The operations of the golden files' README.
const std::map<std::string, std::function<void(Ring&)>> kScenarios{
    {"empty", [](Ring&) {}},
    {"one", [](Ring& ring) { publish_golden(ring, 1); }},
    {"three",
     [](Ring& ring) {
       for (int i = 0; i < 3; ++i) publish_golden(ring, 1);
     }},
    {"wrap",
     [](Ring& ring) {
       for (int i = 0; i < 3; ++i) publish_golden(ring, 3);
     }},
    {"wrapclobber",
     [](Ring& ring) {
       for (const std::uint32_t n : {2U, 2U, 2U, 3U}) publish_golden(ring, n);
     }},
    {"wrap-pending",
     [](Ring& ring) {
       publish_golden(ring, 3);
       publish_golden(ring, 3);
       (void)ring.reserve(3);
     }},
    {"lapped",
     [](Ring& ring) {
       for (int i = 0; i < 21; ++i) publish_golden(ring, 1);
     }},
    {"hole",
     [](Ring& ring) {
       publish_golden(ring, 1);
       (void)ring.reserve(1);
       publish_golden(ring, 1);
       publish_golden(ring, 1);
     }},
};

/// One golden row's expectation against what our reader does from that start.
void check_reads(const TestRing& ring, const nlohmann::json& read) {
  const auto& expected = read.at("lap_checked");
  Ring::Cursor cursor;
  cursor.next = read.at("start").get<std::uint64_t>();
  std::vector<std::byte> copy;
  std::uint64_t index = 0;
  for (const auto& message : expected.at("messages")) {
    REQUIRE(ring.read(cursor, copy, index) == Ring::Found::message);
    CHECK(index == message.at("index").get<std::uint64_t>());
    const auto& payload = message.at("payload");
    REQUIRE(copy.size() == 8 * payload.size());
    CHECK(copy.size() == 8 * message.at("size").get<std::size_t>());
    for (std::size_t i = 0; i < payload.size(); ++i) {
      std::uint64_t value = 0;
      std::memcpy(&value, &copy[8 * i], 8);
      CHECK(value == std::stoull(payload[i].get<std::string>(), nullptr, 16));
    }
  }
  CHECK(ring.read(cursor, copy, index) != Ring::Found::message);
  CHECK(cursor.next == expected.at("final_cursor").get<std::uint64_t>());
  CHECK(cursor.lost == expected.at("lost_indices").get<std::uint64_t>());
}

}  // namespace

TEST_CASE("every golden file attaches, and reads as its rows say from every start", "[full lap]") {
  std::size_t rows = 0;
  for (const auto& row : golden_rows()) {
    const auto file = row.at("file").get<std::string>();
    INFO(file);
    const SegmentName name;
    write_file(name.path(), golden(file));
    const Segment probe = attach_segment(golden_request(name));
    CHECK(probe.memory.capacity == row.at("capacity").get<std::uint32_t>());
    CHECK(probe.memory.element_size == row.at("element_size").get<std::uint32_t>());
    CHECK_FALSE(probe.created);
    CHECK(probe.memory.tracks_last_published == (row.at("init_state").get<int>() == 3));
    const TestRing ring(attach_segment(golden_request(name)));
    CHECK(ring.reserved() == row.at("reserved_index").get<std::uint64_t>());
    for (const auto& read : row.at("reads")) {
      INFO("start " << read.at("start"));
      check_reads(ring, read);
      ++rows;
    }
  }
  CHECK(rows == 59);
}

TEST_CASE("attaching changes one word of a 1.2.x or Python segment and nothing of the others") {
  const bool adopt = GENERATE(true, false);
  for (const auto& row : golden_rows()) {
    const auto file = row.at("file").get<std::string>();
    INFO(file);
    const SegmentName name;
    const std::string before = golden(file);
    write_file(name.path(), before);
    SegmentRequest request = golden_request(name);
    request.adopt = adopt;
    (void)attach_segment(request);
    std::string expected = before;
    if (adopt && get(before, kStateOffset) == 0) put(expected, kStateOffset, 1);
    CHECK(read_file(name.path()) == expected);
    // A second look finds it adopted and leaves it so.
    (void)open_segment(request);
    CHECK(read_file(name.path()) == expected);
  }
}

TEST_CASE("what we create and write is byte for byte what 1.4.0 creates and writes") {
  for (const auto& [scenario, run] : kScenarios) {
    INFO(scenario);
    const SegmentName name;
    Segment segment = open_segment(golden_request(name));
    CHECK(segment.created);
    TestRing ring(std::move(segment));
    run(ring);
    CHECK(read_file(name.path()) == golden("slick-1.4.0-" + scenario + ".bin"));
  }
}

TEST_CASE("what we write into other versions' segments is byte for byte what they would have written") {
  for (const std::string version : {"1.2.0", "1.3.0", "py-1.0.1"}) {
    for (const std::string scenario : {"three", "wrap", "wrapclobber", "lapped", "hole"}) {
      INFO(version << " " << scenario);
      const SegmentName name;
      write_file(name.path(), golden("slick-" + version + "-empty.bin"));
      TestRing ring(attach_segment(golden_request(name)));
      kScenarios.at(scenario)(ring);
      std::string expected = golden("slick-" + version + "-" + scenario + ".bin");
      put(expected, kStateOffset, 1);  // 1.3.0's own state, and what adoption makes of 0
      CHECK(read_file(name.path()) == expected);
    }
  }
}

TEST_CASE("last_published is raised only in segments that track it") {
  const SegmentName name;
  write_file(name.path(), golden("slick-mixed-1.4.0-creator-1.2.0-producer.bin"));
  TestRing ring(attach_segment(golden_request(name)));
  publish_golden(ring, 1);
  std::uint64_t last = 0;
  const std::string bytes = read_file(name.path());
  std::memcpy(&last, &bytes[16], 8);
  CHECK(last == 3);
}

TEST_CASE("the hole timer steps to the next published message and counts what it stepped over") {
  const SegmentName name;
  write_file(name.path(), golden("slick-1.4.0-hole.bin"));
  const TestRing ring(attach_segment(golden_request(name)));
  Ring::Cursor cursor;
  cursor.next = 1;
  std::vector<std::byte> copy;
  std::uint64_t index = 0;
  REQUIRE(ring.read(cursor, copy, index) == Ring::Found::pending);
  CHECK(ring.skip_hole(cursor));
  REQUIRE(ring.read(cursor, copy, index) == Ring::Found::message);
  CHECK(index == 2);
  REQUIRE(ring.read(cursor, copy, index) == Ring::Found::message);
  CHECK(index == 3);
  CHECK(cursor.next == 4);
  CHECK(cursor.skipped == 1);
  CHECK(cursor.lost == 0);
}

TEST_CASE("a producer that died before its wrap marker holds readers up only until the next message") {
  const SegmentName name;
  write_file(name.path(), golden("synthetic-slick-1.4-wrap-no-marker.bin"));
  TestRing ring(attach_segment(golden_request(name)));
  Ring::Cursor cursor;
  cursor.next = 6;
  std::vector<std::byte> copy;
  std::uint64_t index = 0;
  REQUIRE(ring.read(cursor, copy, index) == Ring::Found::pending);
  CHECK_FALSE(ring.skip_hole(cursor));
  CHECK(cursor.next == 6);
  publish_golden(ring, 1);
  CHECK(ring.skip_hole(cursor));
  REQUIRE(ring.read(cursor, copy, index) == Ring::Found::message);
  CHECK(index == 11);
  CHECK(cursor.skipped == 5);
}
