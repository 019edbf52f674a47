#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "support/child_process.hpp"
#include "unit/slick/slick_support.hpp"

using namespace sluice;
using namespace sluice::test;
using namespace std::chrono_literals;

namespace {

struct GroupBench : TopicBench {
  explicit GroupBench(Reliability reliability = Reliability::reliable, std::uint32_t depth = 8,
                      std::size_t max_size = 9000)
      : TopicBench(reliability, depth, max_size) {
    set_option("group", "workers");
    set_option("inline_limit", "64B");
  }
  [[nodiscard]] std::unique_ptr<Reader> outsider() const {
    TopicSpec alone = spec;
    alone.options.erase("group");
    return transport->open_reader(alone, context());
  }
};

std::string text_number(std::uint64_t number, std::size_t length) {
  std::string text = std::to_string(number);
  text.resize(std::max(text.size(), length), '.');
  return text;
}

std::vector<std::string> numbers(std::uint64_t from, std::uint64_t until, std::size_t length = 0) {
  std::vector<std::string> all;
  for (std::uint64_t i = from; i < until; ++i) all.push_back(text_number(i, length));
  return all;
}

/// Takes until the group has nothing left, at first look or after what the dead left is handed on.
std::optional<TakenMessage> take_eventually(Reader& reader) {
  std::optional<TakenMessage> taken;
  (void)eventually([&] { return (taken = reader.take()).has_value(); }, 5s);
  return taken;
}

}  // namespace

TEST_CASE("each message goes to one member of a group, and to everybody outside of it") {
  const auto reliability = GENERATE(Reliability::best_effort, Reliability::reliable);
  const std::size_t length = GENERATE(8U, 9000U);
  const GroupBench bench(reliability);
  const auto a = bench.reader();
  const auto b = bench.reader();
  const auto alone = bench.outsider();
  const auto writer = bench.writer();
  std::vector<std::string> seen;
  std::vector<std::string> outside;
  for (std::uint64_t i = 0; i < 100; i += 4) {
    for (std::uint64_t k = i; k < i + 4; ++k) REQUIRE(send(*writer, text_number(k, length)) == PublishResult::ok);
    while (true) {
      const auto first = receive(*a);
      const auto second = receive(*b);
      if (first) seen.push_back(*first);
      if (second) seen.push_back(*second);
      if (!first && !second) break;
    }
    for (const auto& text : receive_all(*alone)) outside.push_back(text);
  }
  CHECK(seen == numbers(0, 100, length));  // one takes after the other here, so in order
  CHECK(outside == numbers(0, 100, length));
  CHECK(a->stats().received == 50);
  CHECK(b->stats().received == 50);
  CHECK(writer->reader_count() == 3);
}

TEST_CASE("a reliable group holds publishers up by what it has not acknowledged") {
  const GroupBench bench(Reliability::reliable, 4);
  const auto a = bench.reader();
  const auto b = bench.reader();
  const auto writer = bench.writer();
  for (std::uint64_t i = 0; i < 4; ++i) REQUIRE(send(*writer, text_number(i, 8)) == PublishResult::ok);
  CHECK(send(*writer, "x") == PublishResult::timeout);
  const auto first = a->take();
  const auto second = b->take();
  REQUIRE(second);
  b->release(*second);
  CHECK(send(*writer, "x") == PublishResult::timeout);  // the oldest is still out
  a->release(*first);
  CHECK(send(*writer, "4") == PublishResult::ok);
  CHECK(send(*writer, "5") == PublishResult::ok);
  CHECK(send(*writer, "x") == PublishResult::timeout);
}

TEST_CASE("the only member of a full group that publishes to itself is told so; with another member it waits") {
  GroupBench bench(Reliability::reliable, 4);
  bench.spec.qos.max_blocking_time = 60s;
  const auto member = bench.reader();
  const auto writer = bench.writer();
  CHECK_FALSE(member->take());
  for (std::uint64_t i = 0; i < 4; ++i) REQUIRE(send(*writer, "x") == PublishResult::ok);
  CHECK(send(*writer, "x") == PublishResult::own_subscription_full);
  const auto held = member->take();
  CHECK(send(*writer, "x") == PublishResult::own_subscription_full);
  member->release(*held);
  CHECK(send(*writer, "x") == PublishResult::ok);
  std::atomic<bool> waits{false};
  std::thread other([&] {
    const auto helper = bench.reader();
    waits = true;
    std::this_thread::sleep_for(50ms);  // the publisher is to find the topic full meanwhile
    while (!receive(*helper)) std::this_thread::yield();
  });
  CHECK(eventually([&] { return waits.load(); }));
  CHECK(send(*writer, "x") == PublishResult::ok);
  other.join();
}

TEST_CASE("what a dead member had not acknowledged goes to another one, marked, and nothing is lost") {
  const std::size_t length = GENERATE(8U, 9000U);
  GroupBench bench(Reliability::reliable, 8);
  const auto survivor = bench.reader();
  const auto writer = bench.writer();
  ChildProcess dying([&] {
    const auto member = bench.reader();
    const auto first = take_eventually(*member);
    if (!first) return 1;
    member->release(*first);
    if (!take_eventually(*member)) return 1;
    if (!take_eventually(*member)) return 1;
    ::pause();
    return 0;
  });
  REQUIRE(eventually([&] { return writer->reader_count() == 2; }));
  const auto file = bench.file();
  for (std::uint64_t i = 0; i < 3; ++i) REQUIRE(send(*writer, text_number(i, length)) == PublishResult::ok);
  REQUIRE(eventually([&] { return file.group(0).next.load_acquire() == 3; }));
  REQUIRE(eventually([&] { return file.group(0).cursor.load_acquire() == 1; }));
  CHECK_FALSE(survivor->take());
  dying.kill(SIGKILL);
  dying.wait();
  std::vector<std::string> taken_over;
  while (taken_over.size() < 2) {
    const auto message = take_eventually(*survivor);
    REQUIRE(message);
    CHECK(message->info.redelivered);
    taken_over.push_back(text_of(*message));
    survivor->release(*message);
  }
  CHECK(taken_over == numbers(1, 3, length));
  CHECK(survivor->stats().redelivered == 2);
  REQUIRE(send(*writer, text_number(3, length)) == PublishResult::ok);
  const auto next = take_eventually(*survivor);
  REQUIRE(next);
  CHECK_FALSE(next->info.redelivered);
  survivor->release(*next);
  CHECK(file.group(0).cursor.load_acquire() == 4);
}

TEST_CASE("a member that leaves hands on what it did not acknowledge") {
  const GroupBench bench;
  const auto stays = bench.reader();
  auto leaves = bench.reader();
  const auto writer = bench.writer();
  for (std::uint64_t i = 0; i < 3; ++i) REQUIRE(send(*writer, text_number(i, 8)) == PublishResult::ok);
  REQUIRE(leaves->take());
  const auto mine = stays->take();
  REQUIRE(mine);
  leaves.reset();
  std::set<std::string> seen;
  while (seen.size() < 2) {
    const auto message = take_eventually(*stays);
    REQUIRE(message);
    CHECK(message->info.redelivered == (text_of(*message).substr(0, 1) == "0"));
    seen.insert(text_of(*message).substr(0, 1));
    stays->release(*message);
  }
  CHECK(seen == std::set<std::string>{"0", "2"});
  stays->release(*mine);
}

TEST_CASE("when all members are dead publishers go on, and the next member begins anew") {
  GroupBench bench(Reliability::reliable, 4);
  bench.spec.qos.max_blocking_time = 60s;
  const auto writer = bench.writer();
  ChildProcess dying([&] {
    const auto member = bench.reader();
    if (!take_eventually(*member)) return 1;
    ::pause();
    return 0;
  });
  REQUIRE(eventually([&] { return writer->reader_count() == 1; }));
  REQUIRE(send(*writer, "0") == PublishResult::ok);
  const auto file = bench.file();
  REQUIRE(eventually([&] { return file.group(0).next.load_acquire() == 1; }));
  dying.kill(SIGKILL);
  dying.wait();
  for (std::uint64_t i = 1; i < 50; ++i) REQUIRE(send(*writer, std::to_string(i)) == PublishResult::ok);
  CHECK_FALSE(slick::group_lives(file.group(0).life.load_acquire()));
  const auto heir = bench.reader();
  CHECK(heir->stats().joined == 50);
  REQUIRE(send(*writer, "50") == PublishResult::ok);
  CHECK(receive(*heir) == "50");
}

TEST_CASE("a member that stands still is evicted, its work goes on elsewhere, and its late word counts for nothing") {
  GroupBench bench(Reliability::reliable, 4);
  bench.set_option("stall_timeout", "1ms");
  bench.set_option("evict_after", "50ms");
  bench.spec.qos.max_blocking_time = 60s;
  const auto slow = bench.reader();
  const auto quick = bench.reader();
  const auto writer = bench.writer();
  REQUIRE(send(*writer, "0") == PublishResult::ok);
  const auto held = slow->take();
  REQUIRE(held);
  std::vector<std::string> seen;
  std::atomic<bool> sent{false};
  std::thread publisher([&] {
    for (std::uint64_t i = 1; i < 20; ++i) (void)send(*writer, std::to_string(i));
    sent = true;
  });
  REQUIRE(eventually([&] {
    while (const auto message = quick->take()) {
      seen.push_back(text_of(*message) + (message->info.redelivered ? "*" : ""));
      quick->release(*message);
    }
    return sent && seen.size() == 20;
  }));
  publisher.join();
  CHECK(std::count(seen.begin(), seen.end(), "0*") == 1);
  CHECK(text_of(*held) == "0");
  slow->release(*held);  // somebody else has done it
  REQUIRE(send(*writer, "20") == PublishResult::ok);
  CHECK(receive(*slow) == "20");
  CHECK(slow->stats().evictions == 1);
}

TEST_CASE("a best_effort group that is lapped counts what it lost, once") {
  const GroupBench bench(Reliability::best_effort, 8);
  const auto a = bench.reader();
  const auto b = bench.reader();
  const auto writer = bench.writer();
  std::uint64_t seen = 0;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 7 * (round % 9); ++i) REQUIRE(send(*writer, "x") == PublishResult::ok);
    for (int i = 0; i < round % 5; ++i) {
      seen += receive(*a) ? 1U : 0U;
      seen += receive(*b) ? 1U : 0U;
    }
  }
  seen += receive_all(*a).size() + receive_all(*b).size();
  const ReaderStats of_a = a->stats();
  const ReaderStats of_b = b->stats();
  CHECK(of_a.received + of_b.received == seen);
  CHECK(of_a.lost + of_b.lost > 0);
  CHECK(of_a.reserved - of_a.joined == seen + of_a.lost + of_b.lost + of_a.queued);
}

TEST_CASE("a late group gets the topic's history, once") {
  GroupBench bench(Reliability::reliable, 8);
  bench.spec.qos.durability = Durability::transient_local;
  bench.spec.qos.history = 5;
  const auto writer = bench.writer();
  for (std::uint64_t i = 0; i < 30; ++i) REQUIRE(send(*writer, text_number(i, 8)) == PublishResult::ok);
  const auto a = bench.reader();
  const auto b = bench.reader();
  auto all = receive_all(*a);
  for (const auto& text : receive_all(*b)) all.push_back(text);
  CHECK(all == numbers(25, 30, 8));
}

TEST_CASE("groups of other names know nothing of each other, and there are max_groups of them") {
  GroupBench bench(Reliability::reliable, 8);
  bench.set_option("max_groups", "2");
  const auto first = bench.reader();
  bench.set_option("group", "others");
  const auto second = bench.reader();
  const auto writer = bench.writer();
  REQUIRE(send(*writer, "x") == PublishResult::ok);
  CHECK(receive(*first) == "x");
  CHECK(receive(*second) == "x");
  bench.set_option("group", "too many");
  CHECK_THROWS_WITH(bench.reader(),
                    "topic '/bench/topic': group 'too many': all 2 places for groups are taken; raise "
                    "max_groups");
}

TEST_CASE("members that come and go while messages flow: each message is acknowledged, none is lost") {
  GroupBench bench(Reliability::reliable, 16);
  bench.spec.qos.max_blocking_time = 60s;
  constexpr std::uint64_t kMessages = 20'000;
  std::mutex mutex;
  std::map<std::uint64_t, int> seen;
  std::atomic<bool> done{false};
  const auto work = [&](std::unique_ptr<Reader> member, unsigned seed, bool stays) {
    std::uint64_t state = seed;
    while (!done) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      const auto message = member->take();
      if (message) {
        {
          const std::lock_guard lock(mutex);
          ++seen[message->info.sequence];
        }
        if (stays || (state >> 40U) % 200 != 0) {
          member->release(*message);
          continue;
        }
      }
      if (!stays && (state >> 50U) % 400 == 0) member.reset(), member = bench.reader();
    }
  };
  // There before the first message and to the end: a group that all have left gets nothing.
  auto staying = bench.reader();
  std::thread steady([&] { work(std::move(staying), 1, true); });
  std::thread restless([&] { work(bench.reader(), 2, false); });
  std::thread another([&] { work(bench.reader(), 3, false); });
  {
    const auto writer = bench.writer();
    for (std::uint64_t i = 0; i < kMessages; ++i) REQUIRE(send(*writer, text_number(i, 8)) == PublishResult::ok);
    CHECK(eventually([&] {
      const std::lock_guard lock(mutex);
      return seen.size() == kMessages;
    }));
    done = true;
    steady.join();
    restless.join();
    another.join();
  }
}
