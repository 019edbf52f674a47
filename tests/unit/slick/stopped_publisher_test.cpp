#include <catch2/catch.hpp>

#include "slick/entries.hpp"
#include "support/child_process.hpp"
#include "unit/slick/slick_support.hpp"
#include "unit/slick/trapped_payload.hpp"

using namespace sluice;
using namespace sluice::test;
using namespace std::chrono_literals;

namespace {

/// A topic with a publisher in another process that stands in the middle of its copy. It waits there by itself: to be
/// stopped it takes a signal.
struct HeldUp {
  explicit HeldUp(const std::string& stall_timeout) : bench(Reliability::reliable) {
    bench.set_option("stall_timeout", stall_timeout);
    bench.set_option("evict_after", "1h");
    reader = bench.reader();
    publisher.emplace([&] {
      const auto writer = bench.writer();
      return writer->publish_copy(trap.bytes(), 0) == PublishResult::uncertain ? 7 : 8;
    });
    REQUIRE(eventually([&] { return trap.sprung(); }));
  }

  [[nodiscard]] slick::OwnerState owner() const { return slick::owner_state(bench.file(), 0); }
  [[nodiscard]] bool given_up() const {
    (void)reader->take();
    return reader->stats().skipped == 1;
  }

  TopicBench bench;
  TrappedPayload trap;
  std::unique_ptr<Reader> reader;
  std::optional<ChildProcess> publisher;
};

}  // namespace

TEST_CASE("the place of a publisher that is stopped by a signal is not waited for until stall_timeout") {
  HeldUp topic("30min");  // nobody lives to see it
  topic.publisher->kill(SIGSTOP);
  REQUIRE(eventually([&] { return topic.owner() == slick::OwnerState::stopped; }));
  CHECK(eventually([&] { return topic.given_up(); }));
  // It goes on, and is told.
  topic.trap.let_go();
  topic.publisher->kill(SIGCONT);
  CHECK(topic.publisher->wait() == 7);
}

TEST_CASE("a publisher that is merely slow has stall_timeout") {
  HeldUp topic("30min");
  CHECK(topic.owner() == slick::OwnerState::running);
  const auto until = std::chrono::steady_clock::now() + 200ms;  // twenty times hole_timeout
  while (std::chrono::steady_clock::now() < until) REQUIRE_FALSE(topic.given_up());
  topic.trap.let_go();
  CHECK(topic.publisher->wait() == 8);
  CHECK(receive(*topic.reader));
  CHECK(topic.reader->stats().skipped == 0);
}

TEST_CASE("a publisher that is merely slow is given up after stall_timeout") {
  HeldUp topic("300ms");
  CHECK(eventually([&] { return topic.given_up(); }));
  CHECK(topic.owner() == slick::OwnerState::running);
  topic.trap.let_go();
  CHECK(topic.publisher->wait() == 7);
}

TEST_CASE("the place of a dead publisher is nobody's") {
  HeldUp topic("30min");
  topic.publisher->kill(SIGKILL);
  (void)topic.publisher->wait();
  CHECK(topic.owner() == slick::OwnerState::gone);
  CHECK(eventually([&] { return topic.given_up(); }));
}
