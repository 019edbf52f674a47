#include <catch2/catch.hpp>

#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <sluice/slick/queue.hpp>
#include <sluice/slick/shared_cursor.hpp>

#include "interop/golden_support.hpp"

using namespace sluice;
using namespace sluice::slick;
using namespace sluice::test;
using nlohmann::json;

namespace {

constexpr std::uint32_t kCapacity = 8;  // of every golden file, with elements of 8 bytes
constexpr std::uint64_t kNothing = UINT64_MAX;

std::string with_state(std::string bytes, std::uint32_t state) {
  put(bytes, kStateOffset, state);
  return bytes;
}

/// A segment with a golden file's bytes.
struct Planted {
  explicit Planted(const std::string& file) { write_file(name.path(), golden(file)); }
  SegmentName name;
};

QueueOptions options_with(std::chrono::nanoseconds hole_timeout) {
  QueueOptions options;
  options.hole_timeout = hole_timeout;
  options.patience = std::chrono::milliseconds{30};
  return options;
}
constexpr std::chrono::nanoseconds kNever{0};

std::uint64_t publish_golden(UntypedQueue& queue, std::uint32_t n) {
  const std::uint64_t index = queue.reserve(n);
  for (std::uint64_t i = index; i < index + n; ++i) {
    const std::uint64_t value = golden_element(i);
    std::memcpy(queue.ring().element(i), &value, sizeof value);
  }
  REQUIRE(queue.publish(index, n));
  return index;
}

/// A message as slick.json writes it down.
struct Delivered {
  std::uint64_t index = 0;
  std::vector<std::uint64_t> payload;
  bool operator==(const Delivered&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Delivered& message) {
  out << message.index << ":";
  for (const std::uint64_t element : message.payload) out << " " << std::hex << element << std::dec;
  return out;
}

Delivered delivered(const json& message) {
  Delivered result{message.at("index").get<std::uint64_t>(), {}};
  for (const auto& element : message.at("payload")) {
    result.payload.push_back(std::stoull(element.get<std::string>(), nullptr, 16));
  }
  return result;
}

std::vector<Delivered> all_delivered(const json& messages) {
  std::vector<Delivered> result;
  for (const auto& message : messages) result.push_back(delivered(message));
  return result;
}

Delivered delivered(const UntypedQueue& queue, const Ring::Message& message) {
  Delivered result{message.index, std::vector<std::uint64_t>(message.size)};
  std::memcpy(result.payload.data(), queue.ring().element(message.index), 8 * result.payload.size());
  return result;
}

/// Every way to read everything from a cursor: what came, and where the cursor is then.
struct Reading {
  std::vector<Delivered> messages;
  std::uint64_t cursor = 0;
};
using ReadAll = std::function<Reading(UntypedQueue&, std::uint64_t start)>;

Reading read_copying(UntypedQueue& queue, std::uint64_t start) {
  Reading reading{{}, start};
  Delivered copy;
  while (queue.read(reading.cursor, [&](const Ring::Message& found) { copy = delivered(queue, found); })) {
    reading.messages.push_back(copy);
  }
  return reading;
}

Reading read_in_place(UntypedQueue& queue, std::uint64_t start) {
  Reading reading{{}, start};
  while (const auto message = queue.read(reading.cursor)) {
    reading.messages.push_back(delivered(queue, *message));
    CHECK(queue.still_valid(message->index));
  }
  return reading;
}

Reading read_shared(UntypedQueue& queue, std::uint64_t start) {
  const SegmentName name;
  SharedCursor group(name.name(), start);
  Reading reading;
  while (const auto message = queue.read(group.get())) reading.messages.push_back(delivered(queue, *message));
  reading.cursor = group.get().load();
  return reading;
}

const std::map<std::string, ReadAll> kReaders{
    {"copying", read_copying}, {"in place", read_in_place}, {"shared cursor", read_shared}};

std::uint64_t elements_of(const std::vector<Delivered>& messages) {
  std::uint64_t elements = 0;
  for (const auto& message : messages) elements += message.payload.size();
  return elements;
}

/// Calls `check(row, read)` for each of the rows' starts.
void for_each_read(const std::function<void(const json& row, const json& read)>& check) {
  for (const auto& row : golden_rows()) {
    INFO(row.at("file").get<std::string>());
    for (const auto& read : row.at("reads")) {
      INFO("start " << read.at("start"));
      check(row, read);
    }
  }
}

/// The message starts in [from, reserved) by the slots that slick.json lists.
std::vector<Delivered> published_from(const json& row, std::uint64_t from) {
  std::vector<Delivered> result;
  const auto reserved = row.at("reserved_index").get<std::uint64_t>();
  for (std::uint64_t k = from; k < reserved; ++k) {
    const auto& slot = row.at("slots").at(k % kCapacity);
    if (!slot.at(0).is_number() || slot.at(0).get<std::uint64_t>() != k) continue;
    Delivered message{k, {}};
    for (std::uint64_t i = k; i < k + slot.at(1).get<std::uint64_t>(); ++i) {
      message.payload.push_back(golden_element(i));
    }
    result.push_back(message);
  }
  return result;
}

/// The operations of the golden files' README.
const std::map<std::string, std::function<void(UntypedQueue&)>> kScenarios{
    {"empty", [](UntypedQueue&) {}},
    {"one", [](UntypedQueue& queue) { publish_golden(queue, 1); }},
    {"three",
     [](UntypedQueue& queue) {
       for (int i = 0; i < 3; ++i) publish_golden(queue, 1);
     }},
    {"wrap",
     [](UntypedQueue& queue) {
       for (int i = 0; i < 3; ++i) publish_golden(queue, 3);
     }},
    {"wrapclobber",
     [](UntypedQueue& queue) {
       for (const std::uint32_t n : {2U, 2U, 2U, 3U}) publish_golden(queue, n);
     }},
    {"wrap-pending",
     [](UntypedQueue& queue) {
       publish_golden(queue, 3);
       publish_golden(queue, 3);
       (void)queue.reserve(3);
     }},
    {"lapped",
     [](UntypedQueue& queue) {
       for (int i = 0; i < 21; ++i) publish_golden(queue, 1);
     }},
    {"hole",
     [](UntypedQueue& queue) {
       publish_golden(queue, 1);
       (void)queue.reserve(1);
       publish_golden(queue, 1);
       publish_golden(queue, 1);
     }},
};

}  // namespace

TEST_CASE("every reader gets from every start of every golden file what its row says", "[full lap]") {
  std::size_t rows = 0;
  for_each_read([&](const json& row, const json& read) {
    const json& expected = read.at("lap_checked");
    const auto start = read.at("start").get<std::uint64_t>();
    const auto final_cursor = expected.at("final_cursor").get<std::uint64_t>();
    const auto lost = expected.at("lost_indices").get<std::uint64_t>();
    const auto messages = all_delivered(expected.at("messages"));
    for (const auto& [kind, read_all] : kReaders) {
      INFO(kind);
      const Planted segment(row.at("file"));
      UntypedQueue queue(segment.name.name(), 8, options_with(kNever));
      CHECK(queue.initial_reading_index() == row.at("reserved_index").get<std::uint64_t>());
      const Reading reading = read_all(queue, start);
      CHECK(reading.messages == messages);
      CHECK(reading.cursor == final_cursor);
      CHECK(queue.loss_count() == lost);
      CHECK(queue.skipped_count() == final_cursor - start - elements_of(messages) - lost);
    }
    ++rows;
  });
  CHECK(rows == 59);
}

TEST_CASE("the typed queue reads the golden files as the untyped one does", "[full lap]") {
  for_each_read([](const json& row, const json& read) {
    const Planted segment(row.at("file"));
    Queue<std::uint64_t> queue(segment.name.name().c_str(), options_with(kNever));
    auto cursor = read.at("start").get<std::uint64_t>();
    std::vector<std::uint64_t> out;
    for (const Delivered& message : all_delivered(read.at("lap_checked").at("messages"))) {
      REQUIRE(queue.read_copy(cursor, out) == message.payload.size());
      CHECK(out == message.payload);
    }
    CHECK(queue.read_copy(cursor, out) == 0);
    CHECK(queue.loss_count() == read.at("lap_checked").at("lost_indices").get<std::uint64_t>());
  });
}

TEST_CASE("the newest message of every golden file is the one that its row names, whoever published it") {
  for (const auto& row : golden_rows()) {
    INFO(row.at("file").get<std::string>());
    const Planted segment(row.at("file"));
    const UntypedQueue queue(segment.name.name(), 8);
    const auto last = queue.read_last();
    REQUIRE(last.has_value() == !row.at("read_last").is_null());
    if (last) CHECK(delivered(queue, *last) == delivered(row.at("read_last")));
  }
}

TEST_CASE("with a hole timeout every reader goes on behind the hole, and counts it as skipped") {
  std::size_t holes = 0;
  for_each_read([&](const json& row, const json& read) {
    const json& expected = read.at("lap_checked");
    const auto reserved = row.at("reserved_index").get<std::uint64_t>();
    const auto stands = expected.at("final_cursor").get<std::uint64_t>();
    const auto behind = published_from(row, stands + 1);
    if (stands == reserved) return;
    auto messages = all_delivered(expected.at("messages"));
    messages.insert(messages.end(), behind.begin(), behind.end());
    for (const auto& [kind, read_all] : kReaders) {
      INFO(kind);
      const Planted segment(row.at("file"));
      UntypedQueue queue(segment.name.name(), 8, options_with(std::chrono::milliseconds{1}));
      std::vector<Delivered> got;
      auto cursor = read.at("start").get<std::uint64_t>();
      for (int round = 0; round < 20; ++round) {
        const Reading reading = read_all(queue, cursor);
        got.insert(got.end(), reading.messages.begin(), reading.messages.end());
        cursor = reading.cursor;
        std::this_thread::sleep_for(std::chrono::milliseconds{2});
      }
      CHECK(got == messages);
      CHECK(cursor == (behind.empty() ? stands : reserved));  // nothing to go to: the reader stays
      CHECK(queue.loss_count() == expected.at("lost_indices").get<std::uint64_t>());
      CHECK(cursor - read.at("start").get<std::uint64_t>() ==
            elements_of(got) + queue.loss_count() + queue.skipped_count());
    }
    holes += behind.empty() ? 0 : 1;
  });
  CHECK(holes == 8);
}

TEST_CASE("a reader that waits at a golden file while a lap passes goes on at the oldest message left", "[full lap]") {
  for_each_read([](const json& row, const json& read) {
    for (const auto& [kind, read_all] : kReaders) {
      INFO(kind);
      const Planted segment(row.at("file"));
      UntypedQueue queue(segment.name.name(), 8, options_with(kNever));
      const auto start = read.at("start").get<std::uint64_t>();
      const auto reserved = row.at("reserved_index").get<std::uint64_t>();
      const Reading before = read_all(queue, start);
      for (std::uint32_t i = 0; i < kCapacity + 3; ++i) CHECK(publish_golden(queue, 1) == reserved + i);
      const Reading after = read_all(queue, before.cursor);
      std::vector<Delivered> survivors;
      for (std::uint64_t i = reserved + 3; i < reserved + kCapacity + 3; ++i) {
        survivors.push_back({i, {golden_element(i)}});
      }
      CHECK(after.messages == survivors);
      CHECK(after.cursor == reserved + kCapacity + 3);
      CHECK(after.cursor - start ==
            elements_of(before.messages) + elements_of(after.messages) + queue.loss_count() + queue.skipped_count());
      CHECK(queue.read_last()->index == reserved + kCapacity + 2);
    }
  });
}

TEST_CASE("what the queue creates and writes is byte for byte what 1.4.0 creates and writes") {
  for (const auto& [scenario, run] : kScenarios) {
    INFO(scenario);
    const SegmentName name;
    UntypedQueue queue(kCapacity, 8, name.name());
    CHECK(queue.own_buffer());
    run(queue);
    CHECK(read_file(name.path()) == golden("slick-1.4.0-" + scenario + ".bin"));
  }
}

TEST_CASE("what the queue writes into other versions' segments is byte for byte what they would have written") {
  for (const std::string version : {"1.2.0", "1.3.0", "py-1.0.1"}) {
    for (const std::string scenario : {"three", "wrap", "wrapclobber", "lapped", "hole"}) {
      INFO(version << " " << scenario);
      const Planted segment("slick-" + version + "-empty.bin");
      UntypedQueue queue(kCapacity, 8, segment.name.name());
      CHECK_FALSE(queue.own_buffer());
      kScenarios.at(scenario)(queue);
      // 1 is 1.3.0's own state, and what adoption makes of 0.
      CHECK(read_file(segment.name.path()) == with_state(golden("slick-" + version + "-" + scenario + ".bin"), 1));
    }
  }
}

TEST_CASE("reading changes one word of a segment in state 0 and nothing of the others; nothing without adoption") {
  const bool adopt = GENERATE(true, false);
  for (const auto& row : golden_rows()) {
    const auto file = row.at("file").get<std::string>();
    INFO(file);
    const Planted segment(file);
    QueueOptions options = options_with(kNever);
    options.adopt = adopt;
    UntypedQueue queue(segment.name.name(), 8, options);
    (void)read_copying(queue, 0);
    (void)read_shared(queue, 0);
    (void)queue.read_last();
    const bool adopts = adopt && row.at("init_state").get<int>() == 0;
    CHECK(read_file(segment.name.path()) == (adopts ? with_state(golden(file), 1) : golden(file)));
  }
}

TEST_CASE("last_published is raised in segments of 1.4.0 and never touched in others") {
  for (const auto& row : golden_rows()) {
    INFO(row.at("file").get<std::string>());
    const Planted segment(row.at("file"));
    UntypedQueue queue(segment.name.name(), 8);
    const std::uint64_t index = publish_golden(queue, 1);
    std::uint64_t last = kNothing;
    std::memcpy(&last, &read_file(segment.name.path())[16], sizeof last);
    CHECK(last == (row.at("init_state").get<int>() == 3 ? index : 0));
  }
}
