#include <sluice/sluice.hpp>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <atomic>
#include <deque>
#include <thread>

#include <sluice/shm/sleep.hpp>

#include "support/child_process.hpp"
#include "unit/node/test_domain.hpp"

using namespace sluice;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using sluice::test::eventually;
using sluice::test::TestDomain;

namespace {

bool readable(int fd, int milliseconds) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, milliseconds) == 1;
}

std::span<const std::byte> bytes_of(const std::uint64_t& value) { return std::as_bytes(std::span(&value, 1)); }

constexpr int kWatchdog = 60'000;  // ms

}  // namespace

TEST_CASE("a descriptor becomes readable when a message comes, once for each arming") {
  const TestDomain domain;
  Node node("node", domain.options);
  auto out = node.advertise_bytes("topic");
  auto in = node.subscribe_bytes("topic");
  const int fd = in.pollable_fd();
  REQUIRE(in.arm_fd());
  CHECK_FALSE(readable(fd, 0));
  for (std::uint64_t number = 0; number < 100; ++number) {
    CHECK(out.publish(bytes_of(number)) == PublishResult::ok);
    CHECK(readable(fd, kWatchdog));
    CHECK_FALSE(in.arm_fd());  // one is there
    CHECK(in.take().has_value());
    CHECK_FALSE(in.take().has_value());
    CHECK(in.arm_fd());
    CHECK(in.pollable_fd() == fd);
  }
}

TEST_CASE("subscriptions come and go while others are watched") {
  const TestDomain domain;
  Node node("node", domain.options);
  auto out = node.advertise_bytes("kept");
  auto kept = node.subscribe_bytes("kept");
  REQUIRE(kept.arm_fd());
  for (int round = 0; round < 50; ++round) {
    auto in = node.subscribe_bytes("topic" + std::to_string(round));  // its segment is unmapped at the round's end
    CHECK(in.arm_fd());
  }
  CHECK(out.publish(bytes_of(1)) == PublishResult::ok);
  CHECK(readable(kept.pollable_fd(), kWatchdog));
}

TEST_CASE("a pollable subscription that a child inherits is the parent's") {
  const TestDomain domain;
  Node node("node", domain.options);
  auto out = node.advertise_bytes("topic");
  auto in = std::make_unique<BytesSubscription>(node.subscribe_bytes("topic"));
  REQUIRE(in->arm_fd());
  const pid_t child = ::fork();
  if (child == 0) {
    bool refused = false;
    try {
      (void)in->arm_fd();
    } catch (const Error&) {
      refused = true;
    }
    in.reset();
    ::_exit(refused ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(out.publish(bytes_of(1)) == PublishResult::ok);
  CHECK(readable(in->pollable_fd(), kWatchdog));
}

TEST_CASE("a thread that waits for a message is interrupted by another one") {
  const TestDomain domain;
  Node node("node", domain.options);
  auto in = node.subscribe_bytes("topic");
  std::atomic<bool> returned{false};
  std::thread waiting([&] {
    CHECK_FALSE(in.take_for(std::chrono::nanoseconds::max()).has_value());
    returned = true;
  });
  std::this_thread::sleep_for(20ms);
  in.interrupt();
  CHECK(eventually([&] { return returned.load(); }));
  waiting.join();
}

TEST_CASE("a callback keeps the messages it wants, and with them their places") {
  const TestDomain domain("topics: {/topic: {reliability: reliable, depth: 4, max_blocking_time: 0ms}}");
  Node node("node", domain.options);
  auto out = node.advertise_bytes("topic");
  std::deque<BytesMessage> kept;
  const auto in = node.subscribe_bytes("topic", [&](BytesMessage message) { kept.push_back(std::move(message)); });
  for (std::uint64_t number = 0; number < 4; ++number) REQUIRE(out.publish(bytes_of(number)) == PublishResult::ok);
  (void)node.spin_for(1ms);
  REQUIRE(kept.size() == 4);
  CHECK(out.publish(bytes_of(4)) == PublishResult::timeout);
  CHECK(kept[2].info().sequence == 2);
  kept.pop_front();
  CHECK(out.publish(bytes_of(4)) == PublishResult::ok);
}

TEST_CASE("a type whose layout is known at run time is checked as one that the compiler knows") {
  const TestDomain domain;
  Node node("node", domain.options);
  const auto out = node.advertise_bytes("topic", MessageType{"demo/Pair", 8});
  CHECK_NOTHROW(node.subscribe_bytes("topic", MessageType{"demo/Pair", 8}));
  CHECK_THROWS_WITH(node.subscribe_bytes("topic", MessageType{"demo/Pair", 12}), Contains("12") && Contains("8"));
  CHECK_THROWS_WITH(node.subscribe_bytes(
                        "topic", [](BytesMessage) {}, MessageType{"demo/Other", 8}),
                    Contains("demo/Other"));
}

TEST_CASE("whoever observes the sleeps of a thread can end its waits") {
  struct Impatient final : shm::SleepObserver {
    void before_sleep() noexcept override {}
    [[nodiscard]] bool after_sleep() noexcept override { return false; }
  };
  const TestDomain domain("topics: {/topic: {reliability: reliable, depth: 4, max_blocking_time: 1000s}}");
  Node node("node", domain.options);
  auto out = node.advertise_bytes("topic");
  auto in = node.subscribe_bytes("topic");
  const auto impatiently = [](const auto& wait) {
    Impatient impatient;
    const shm::SleepScope scope(impatient);
    return wait();
  };
  CHECK_FALSE(impatiently([&] { return in.take_for(1000s).has_value(); }));
  CHECK_FALSE(impatiently([&] { return out.wait_for_subscribers(5, 1000s); }));
  const Timer wakes = node.every(1ms, [] {});
  CHECK_FALSE(impatiently([&] { return node.spin_for(1000s); }));
  std::thread([&] { CHECK_FALSE(in.take()); }).join();  // else this thread would be told that it waits for itself
  for (std::uint64_t number = 0; number < 4; ++number) REQUIRE(out.publish(bytes_of(number)) == PublishResult::ok);
  CHECK(impatiently([&] { return out.publish(bytes_of(4)); }) == PublishResult::timeout);
}

TEST_CASE("a thread that publishes to itself on a full topic is told so, at once") {
  const TestDomain domain("topics: {/topic: {reliability: reliable, depth: 4, max_blocking_time: 1000s}}");
  Node node("node", domain.options);
  auto out = node.advertise_bytes("topic");
  auto in = node.subscribe_bytes("topic");
  CHECK_FALSE(in.take());
  for (std::uint64_t number = 0; number < 4; ++number) REQUIRE(out.publish(bytes_of(number)) == PublishResult::ok);
  CHECK(out.publish(bytes_of(4)) == PublishResult::own_subscription_full);
  CHECK(in.take());
  CHECK(out.publish(bytes_of(4)) == PublishResult::ok);
}
