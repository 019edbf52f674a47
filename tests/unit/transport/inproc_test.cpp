#include <sluice/transport_registry.hpp>

#include <catch2/catch.hpp>

#include <cstring>
#include <map>
#include <thread>

#include <sluice/shm/doorbell.hpp>

using namespace sluice;
using namespace std::chrono_literals;

namespace {

struct Inproc {
  TransportRegistry registry;
  TransportContext context{"/inproc-test", {}};
  TopicSpec spec;

  explicit Inproc(Reliability reliability = Reliability::best_effort, std::uint32_t depth = 4) {
    spec.name = "/x";
    spec.transport = "inproc";
    spec.max_size = 64;
    spec.qos.reliability = reliability;
    spec.qos.depth = depth;
    spec.qos.max_blocking_time = 5ms;
  }
  std::unique_ptr<Writer> writer() { return registry.get("inproc").open_writer(spec, context); }
  std::unique_ptr<Reader> reader() { return registry.get("inproc").open_reader(spec, context); }
};

std::span<const std::byte> bytes(const std::uint64_t& value) { return std::as_bytes(std::span(&value, 1)); }

std::uint64_t number(const TakenMessage& message) {
  std::uint64_t value = 0;
  std::memcpy(&value, message.data, sizeof value);
  return value;
}

}  // namespace

TEST_CASE("inproc hands every reader the same memory") {
  Inproc topic;
  auto writer = topic.writer();
  auto a = topic.reader();
  auto b = topic.reader();
  const LoanedBuffer loan = writer->loan(8);
  const std::uint64_t value = 7;
  std::memcpy(loan.data, &value, sizeof value);
  REQUIRE(writer->publish(loan, 8, 1) == PublishResult::ok);
  const auto at_a = a->take();
  const auto at_b = b->take();
  REQUIRE((at_a && at_b));
  CHECK(at_a->data == loan.data);
  CHECK(at_b->data == loan.data);
  CHECK(number(*at_a) == 7);
  const LoanedBuffer other = writer->loan(8);
  CHECK(other.data != loan.data);  // the readers still hold it
  writer->discard(other);
  a->release(*at_a);
  b->release(*at_b);
}

TEST_CASE("inproc best_effort keeps the newest and counts the rest") {
  Inproc topic;
  auto writer = topic.writer();
  auto reader = topic.reader();
  for (std::uint64_t i = 0; i < 10; ++i) REQUIRE(writer->publish_copy(bytes(i), 0) == PublishResult::ok);
  const auto first = reader->take();
  REQUIRE(first);
  CHECK(number(*first) == 6);
  CHECK(first->info.lost == 6);
  reader->release(*first);
  const ReaderStats stats = reader->stats();
  CHECK(stats.lost == 6);
  CHECK(stats.received == 1);
  CHECK(stats.queued == 3);
}

TEST_CASE("inproc reliable waits for its reader, then times out with nothing sent") {
  Inproc topic(Reliability::reliable);
  auto writer = topic.writer();
  auto reader = topic.reader();
  for (std::uint64_t i = 0; i < 4; ++i) REQUIRE(writer->publish_copy(bytes(i), 0) == PublishResult::ok);
  CHECK(writer->publish_copy(bytes(4), 0) == PublishResult::timeout);
  CHECK(reader->stats().reserved == 4);
  for (std::uint64_t i = 0; i < 4; ++i) {
    const auto message = reader->take();
    REQUIRE(message);
    CHECK(number(*message) == i);
    reader->release(*message);
  }
  CHECK_FALSE(reader->take());
  CHECK(writer->publish_copy(bytes(5), 0) == PublishResult::ok);
}

TEST_CASE("inproc reliable between threads loses nothing") {
  Inproc topic(Reliability::reliable, 16);
  topic.spec.qos.max_blocking_time = 20s;
  constexpr std::uint64_t kMessages = 50'000;
  constexpr int kWriters = 3;
  auto reader = topic.reader();
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, writer = std::shared_ptr<Writer>(topic.writer())] {
      for (std::uint64_t i = 0; i < kMessages; ++i) REQUIRE(writer->publish_copy(bytes(i), 0) == PublishResult::ok);
    });
  }
  std::map<PublisherId, std::uint64_t> next;
  for (std::uint64_t received = 0; received < kWriters * kMessages;) {
    if (const auto message = reader->take()) {
      REQUIRE(number(*message) == next[message->info.publisher]++);
      reader->release(*message);
      ++received;
    } else if (const auto wait = reader->arm()) {
      shm::futex_wait(*wait->word, wait->expected, shm::Deadline::after(wait->at_most));
    }
  }
  for (auto& writer : writers) writer.join();
  const ReaderStats stats = reader->stats();
  CHECK(stats.received == kWriters * kMessages);
  CHECK(stats.lost == 0);
  CHECK(stats.queued == 0);
}

TEST_CASE("inproc refuses contradictory settings, naming both") {
  Inproc topic;
  auto writer = topic.writer();
  topic.spec.type = {"demo/Other", 8};
  CHECK_NOTHROW(topic.reader());  // the first one did not say what it sends
  topic.spec.qos.depth = 8;
  topic.spec.origins["depth"] = Origin{"a.yaml", 2, 3};
  CHECK_THROWS_WITH(
      topic.reader(),
      "a.yaml:2:3: topic '/x': depth is '8' here, but the topic was opened with '4' in this process; give "
      "both the same configuration");
}
