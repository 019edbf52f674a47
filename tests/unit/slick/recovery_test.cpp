#include <catch2/catch.hpp>

#include <thread>

#include "slick/horizon.hpp"
#include "support/child_process.hpp"
#include "unit/slick/slick_support.hpp"
#include "unit/slick/trapped_payload.hpp"

using namespace sluice;
using namespace sluice::test;
using namespace std::chrono_literals;

namespace {

const std::string kTrapText(64, 'T');

/// A topic on which also a living publisher that is stopped is given up soon.
struct ImpatientBench : TopicBench {
  explicit ImpatientBench(Reliability reliability, std::uint32_t depth = 8) : TopicBench(reliability, depth) {
    set_option("stall_timeout", "15ms");
  }
};

/// What a publisher that is stopped in the middle of its copy says once it goes on.
class StoppedPublisher {
 public:
  explicit StoppedPublisher(const TopicBench& bench)
      : writer_(bench.writer()), thread_([this] { result_ = writer_->publish_copy(trap_.bytes(), 0); }) {
    REQUIRE(eventually([&] { return trap_.sprung(); }));
  }
  StoppedPublisher(const StoppedPublisher&) = delete;
  StoppedPublisher& operator=(const StoppedPublisher&) = delete;
  ~StoppedPublisher() {
    trap_.let_go();
    if (thread_.joinable()) thread_.join();
  }

  PublishResult go_on() {
    trap_.let_go();
    thread_.join();
    return result_;
  }
  [[nodiscard]] Writer& writer() { return *writer_; }

 private:
  TrappedPayload trap_;
  PublishResult result_ = PublishResult::ok;
  std::unique_ptr<Writer> writer_;
  std::thread thread_;
};

/// Takes until the reader has dealt with everything that was granted.
std::vector<std::string> receive_until_quiet(Reader& reader) {
  std::vector<std::string> all;
  REQUIRE(eventually([&] {
    for (const auto& text : receive_all(reader)) all.push_back(text);
    return reader.stats().queued == 0;
  }));
  return all;
}

slick::RecordState record_state(const slick::TopicFile& file, std::uint32_t writer) {
  return slick::record_state(file.writer(writer).record.load_acquire());
}

}  // namespace

TEST_CASE("a publisher killed between reserving and publishing leaves a hole that readers step over and count") {
  const auto reliability = GENERATE(Reliability::best_effort, Reliability::reliable);
  const ImpatientBench bench(reliability, 8);
  const auto a = bench.reader();
  const auto b = bench.reader();
  const auto survivor = bench.writer();
  REQUIRE(send(*survivor, "before") == PublishResult::ok);
  {
    TrappedPayload trap;
    ChildProcess child([&] {
      const auto writer = bench.writer();
      (void)writer->publish_copy(trap.bytes(), 0);
      return 0;
    });
    REQUIRE(eventually([&] { return trap.sprung(); }));
    child.kill(SIGKILL);
    child.wait();
  }
  REQUIRE(send(*survivor, "after") == PublishResult::ok);
  const std::vector<std::string> expected{"before", "after"};
  CHECK(receive_until_quiet(*a) == expected);
  CHECK(receive_until_quiet(*b) == expected);
  CHECK(books_are(a->stats(), 2, 0, 1, 0));
  CHECK(books_are(b->stats(), 2, 0, 1, 0));
  // Lap after lap, also over the dead one's cell: it is quarantined for nobody.
  for (int lap = 0; lap < 10; ++lap) {
    for (int i = 0; i < 8; ++i) REQUIRE(send(*survivor, "lap") == PublishResult::ok);
    REQUIRE(receive_until_quiet(*a).size() == 8);
    REQUIRE(receive_until_quiet(*b).size() == 8);
  }
  CHECK(books_are(a->stats(), 82, 0, 1, 0));
}

TEST_CASE("a hole wakes a sleeping reader in time although nobody rings any more") {
  ImpatientBench bench(Reliability::reliable, 8);
  const auto reader = bench.reader();
  TrappedPayload trap;
  ChildProcess child([&] {
    const auto writer = bench.writer();
    (void)writer->publish_copy(trap.bytes(), 0);
    return 0;
  });
  REQUIRE(eventually([&] { return trap.sprung(); }));
  child.kill(SIGKILL);
  child.wait();
  const auto wait = reader->arm();
  REQUIRE(wait);
  CHECK(wait->at_most <= 10ms);
  CHECK(wait->at_most > 0ms);
  REQUIRE(eventually([&] { return !reader->arm(); }));
  CHECK_FALSE(reader->take());
  CHECK(books_are(reader->stats(), 0, 0, 1, 0));
  CHECK(reader->arm()->at_most == shm::kLongestSleep);
}

TEST_CASE("a living publisher that was stopped too long is told that delivery is uncertain, and harms nobody") {
  const auto reliability = GENERATE(Reliability::best_effort, Reliability::reliable);
  const ImpatientBench bench(reliability, 8);
  const auto reader = bench.reader();
  const auto other = bench.writer();
  StoppedPublisher stopped(bench);
  auto file = bench.file();
  REQUIRE(send(*other, "other") == PublishResult::ok);
  CHECK(receive_until_quiet(*reader) == std::vector<std::string>{"other"});
  CHECK(books_are(reader->stats(), 1, 0, 1, 0));
  CHECK(record_state(file, 1) == slick::RecordState::fenced);

  CHECK(stopped.go_on() == PublishResult::uncertain);
  CHECK(stopped.writer().stats().uncertain == 1);
  CHECK(record_state(file, 1) == slick::RecordState::idle);
  CHECK(file.cell(0).stamp.load_acquire() == slick::stamp_jump(0));  // for readers that had not come by yet
  // It is a publisher like any other again.
  CHECK(send(stopped.writer(), "again") == PublishResult::ok);
  CHECK(receive_until_quiet(*reader) == std::vector<std::string>{"again"});
}

TEST_CASE("a reader that comes late to a position given up by another may still get the whole message") {
  const ImpatientBench bench(Reliability::reliable, 8);
  const auto hasty = bench.reader();
  const auto late = bench.reader();
  StoppedPublisher stopped(bench);
  REQUIRE(receive_until_quiet(*hasty).empty());
  CHECK(books_are(hasty->stats(), 0, 0, 1, 0));
  CHECK(stopped.go_on() == PublishResult::uncertain);
  // Here it finds the jump: what everybody agrees on after the publisher knows.
  CHECK(receive_until_quiet(*late).empty());
  CHECK(books_are(late->stats(), 0, 0, 1, 0));
}

TEST_CASE("a publication that came before the repair wins: nobody is fenced, the message is delivered") {
  TopicBench bench(Reliability::reliable, 8);
  bench.set_option("hole_timeout", "1ns");  // old when it is looked at for the second time
  bench.set_option("stall_timeout", "1ns");
  const auto reader = bench.reader();
  auto file = bench.file();
  // By hand: the owner of position 0 has published it and stands before clearing its record.
  auto other = bench.file();
  REQUIRE(other.lock().try_lock_exclusive(other.writer_byte(5)));
  file.control().writer_entries.raise_to_acq_rel(6);
  file.writer(5).record.store_release(slick::record_intent(0));
  file.control().reserved.store_release(1);
  REQUIRE(reader->arm());  // notices the hole
  file.cell(0).length = 0;
  file.cell(0).stamp.store_release(slick::stamp_message(0));
  CHECK_FALSE(reader->arm());
  CHECK(slick::record_state(file.writer(5).record.load_acquire()) == slick::RecordState::intent);
  const auto message = reader->take();
  REQUIRE(message);
  CHECK(books_are(reader->stats(), 1, 0, 0, 0));
}

TEST_CASE("a stopped publisher's cell is kept free a lap later, so that its late stores hurt nobody") {
  const auto reliability = GENERATE(Reliability::best_effort, Reliability::reliable);
  const ImpatientBench bench(reliability, 8);
  const auto reader = bench.reader();
  const auto other = bench.writer();
  StoppedPublisher stopped(bench);
  auto file = bench.file();
  const std::uint64_t capacity = file.geometry().capacity;

  std::uint64_t received = 0;
  const auto publish_and_receive = [&](std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string text = std::to_string(received);
      REQUIRE(send(*other, text) == PublishResult::ok);
      REQUIRE(receive_until_quiet(*reader) == std::vector<std::string>{text});
      ++received;
    }
  };
  // Position 0 is the hole; of the three laps that follow, the positions on its cell become jumps.
  publish_and_receive(3 * capacity);
  CHECK(record_state(file, 1) == slick::RecordState::fenced);
  CHECK(reader->stats().skipped == 4);
  CHECK(file.cell(0).stamp.load_acquire() == slick::stamp_jump(3 * capacity));

  CHECK(stopped.go_on() == PublishResult::uncertain);
  CHECK(record_state(file, 1) == slick::RecordState::idle);
  publish_and_receive(2 * capacity);
  CHECK(reader->stats().skipped == 4);  // the quarantine is lifted
  CHECK(reader->stats().lost == 0);
  CHECK(books_are(reader->stats(), 5 * capacity, 0, 4, 0));
}

TEST_CASE("a late store into a quarantined cell that nobody has passed yet is repaired like any hole") {
  const ImpatientBench bench(Reliability::best_effort, 8);
  const auto other = bench.writer();
  StoppedPublisher stopped(bench);
  auto file = bench.file();
  const std::uint64_t capacity = file.geometry().capacity;
  for (std::uint64_t i = 0; i < capacity - 1; ++i) REQUIRE(send(*other, "x") == PublishResult::ok);
  const auto reader = bench.reader();  // joins right before the quarantined position
  REQUIRE(send(*other, "next") == PublishResult::ok);
  REQUIRE(file.cell(0).stamp.load_acquire() == slick::stamp_jump(capacity));
  CHECK(stopped.go_on() == PublishResult::uncertain);  // its stamp is now an older one
  CHECK(receive_until_quiet(*reader) == std::vector<std::string>{"next"});
  CHECK(books_are(reader->stats(), 1, 0, 1, 0));
}

TEST_CASE("a best_effort reader never accepts what a stopped publisher tore") {
  const ImpatientBench bench(Reliability::best_effort, 4);
  const auto other = bench.writer();
  const auto reader = bench.reader();
  StoppedPublisher stopped(bench);
  const std::string whole(64, 'o');
  for (int i = 0; i < 100; ++i) REQUIRE(send(*other, whole) == PublishResult::ok);
  CHECK(stopped.go_on() == PublishResult::uncertain);
  for (const auto& text : receive_until_quiet(*reader)) CHECK(text == whole);
  for (int i = 0; i < 100; ++i) {
    REQUIRE(send(*other, whole) == PublishResult::ok);
    for (const auto& text : receive_until_quiet(*reader)) CHECK(text == whole);
  }
}

TEST_CASE("a publisher killed while quarantined frees its cell and its place") {
  ImpatientBench bench(Reliability::best_effort, 8);
  bench.set_option("max_publishers", "2");
  const auto other = bench.writer();
  auto file = bench.file();
  const std::uint64_t capacity = file.geometry().capacity;
  TrappedPayload trap;
  ChildProcess child([&] {
    const auto writer = bench.writer();
    (void)writer->publish_copy(trap.bytes(), 0);
    return 0;
  });
  REQUIRE(eventually([&] { return trap.sprung(); }));
  for (std::uint64_t i = 0; i < 2 * capacity; ++i) REQUIRE(send(*other, "x") == PublishResult::ok);
  CHECK(record_state(file, 1) == slick::RecordState::fenced);
  child.kill(SIGKILL);
  child.wait();
  const auto reader = bench.reader();
  for (std::uint64_t i = 0; i < 2 * capacity; ++i) {
    REQUIRE(send(*other, "y") == PublishResult::ok);
    REQUIRE(receive_until_quiet(*reader) == std::vector<std::string>{"y"});
  }
  CHECK(reader->stats().skipped == 0);
  CHECK(record_state(file, 1) == slick::RecordState::idle);
  CHECK(reader->writer_count() == 1);
  const auto successor = bench.writer();
  CHECK(send(*successor, "z") == PublishResult::ok);
}

TEST_CASE("with every cell quarantined a publisher gives up instead of running for ever") {
  const auto reliability = GENERATE(Reliability::best_effort, Reliability::reliable);
  TopicBench bench(reliability, 3);  // four cells
  bench.spec.qos.max_blocking_time = 20ms;
  const auto other = bench.writer();
  auto file = bench.file();
  auto owners = bench.file();
  REQUIRE(file.geometry().capacity == 4);
  // Four living owners, all stopped since the first lap.
  owners.control().writer_entries.raise_to_acq_rel(5);
  for (std::uint32_t k = 0; k < 4; ++k) {
    REQUIRE(owners.lock().try_lock_exclusive(owners.writer_byte(k + 1)));
    owners.writer(k + 1).state.store_release(static_cast<std::uint32_t>(slick::EntryState::active));
    owners.writer(k + 1).record.store_release(slick::record_intent(k));
  }
  owners.control().reserved.store_release(4);
  CHECK(send(*other, "x") == PublishResult::timeout);
  CHECK(other->stats().timeouts == 1);
  const auto reader = bench.reader();
  owners.writer(2).record.store_release(slick::kRecordIdle);  // one of them goes on
  CHECK(send(*other, "y") == PublishResult::ok);
  CHECK(receive_until_quiet(*reader) == std::vector<std::string>{"y"});
}

TEST_CASE("a publisher in doubt is quarantined by intent alone, and loses nothing by it") {
  // INTENT before the grant: a publisher stopped between the two owns nothing. Others go round, fence the intent, jump.
  const TopicBench bench(Reliability::best_effort, 8);
  const auto other = bench.writer();
  const auto doubter = bench.writer();
  auto file = bench.file();
  file.writer(1).record.store_release(slick::record_intent(0));
  const std::uint64_t capacity = file.geometry().capacity;
  for (std::uint64_t i = 0; i < 3 * capacity; ++i) REQUIRE(send(*other, "x") == PublishResult::ok);
  CHECK(record_state(file, 1) == slick::RecordState::fenced);
  const auto reader = bench.reader();
  CHECK(send(*doubter, "mine") == PublishResult::ok);
  CHECK(receive_until_quiet(*reader) == std::vector<std::string>{"mine"});
  CHECK(doubter->stats().uncertain == 0);
}

TEST_CASE("a publisher that merely does not run gets more time than a dead one") {
  TopicBench bench(Reliability::reliable, 8);
  bench.set_option("hole_timeout", "1ns");
  bench.set_option("stall_timeout", "60s");
  bench.set_option("evict_after", "100s");
  const auto reader = bench.reader();
  StoppedPublisher stopped(bench);
  for (int i = 0; i < 1000; ++i) REQUIRE(reader->arm());  // every one a look at the hole
  CHECK_FALSE(reader->take());
  CHECK(reader->stats().skipped == 0);
  CHECK(stopped.go_on() == PublishResult::ok);
  CHECK(receive_all(*reader) == std::vector<std::string>{kTrapText});
  CHECK(books_are(reader->stats(), 1, 0, 0, 0));
}
