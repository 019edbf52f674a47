#include <sluice/asio.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <catch2/catch.hpp>

#include <deque>
#include <thread>

#include <sluice/sluice.hpp>

#include "support/child_process.hpp"
#include "support/segment_name.hpp"
#include "support/temporary_directory.hpp"

using namespace sluice;
using namespace std::chrono_literals;
using boost::asio::io_context;
using boost::system::error_code;
using sluice::test::ChildProcess;
using sluice::test::eventually;
using sluice::test::SegmentName;
using sluice::test::TemporaryDirectory;

namespace {

struct Number {
  std::uint64_t value;
};

struct ReliableDomain {
  explicit ReliableDomain(
      const std::string& topics = "{/**: {reliability: reliable, depth: 16, max_blocking_time: 30s}}") {
    options.config = Config::parse("runtime_dir: " + directory.path() + "/run\ntopics: " + topics + "\n", "test.yaml");
    options.handle_signals = false;
  }
  TemporaryDirectory directory;
  NodeOptions options;
};

/// Takes again and again until `count` numbers came, which must be 0, 1, 2...
template <typename S>
class Counting {
 public:
  Counting(AsyncSubscription<S>& in, std::uint64_t count) : in_(in), count_(count) { next(); }
  [[nodiscard]] std::uint64_t taken() const noexcept { return taken_; }

 private:
  void next() {
    if (taken_ == count_) return;
    in_.async_take([this](error_code error, Message<Number> message) {
      if (error || !message.valid() || message->value != taken_) return;
      ++taken_;
      next();
    });
  }
  AsyncSubscription<S>& in_;
  std::uint64_t count_;
  std::uint64_t taken_ = 0;
};

/// Runs the context until `done`; false after a generous watchdog time.
bool run_until(io_context& io, const std::function<bool()>& done) {
  const auto give_up = std::chrono::steady_clock::now() + 60s;
  while (!done() && std::chrono::steady_clock::now() < give_up) {
    io.restart();
    io.run_one_for(1s);
  }
  return done();
}

/// An async_take whose end is looked at later.
struct Outcome {
  template <typename S>
  explicit Outcome(AsyncSubscription<S>& in) {
    in.async_take([this](error_code how, typename AsyncSubscription<S>::Taken message) {
      error = how;
      valid = message.valid();
      ++completed;
    });
  }
  error_code error;
  bool valid = false;
  int completed = 0;
};

}  // namespace

TEST_CASE("a foreign loop takes every message of every transport, in order") {
  const SegmentName segment;
  const std::string topic = GENERATE(as<std::string>{}, "reliability: reliable, depth: 16, max_blocking_time: 60s",
                                     "reliability: best_effort, depth: 4096", "transport: inproc, depth: 4096",
                                     "transport: inproc, reliability: reliable, depth: 16, max_blocking_time: 60s",
                                     "element: 8B, depth: 4096, segment: ");
  const ReliableDomain domain("{/**: {" + topic + (topic.ends_with(' ') ? segment.name() : "") + "}}");
  Node node("node", domain.options);
  io_context io;
  AsyncSubscription in(io, node.subscribe<Number>("topic"));
  constexpr std::uint64_t kCount = 4'000;
  std::thread publishing([&] {
    auto out = node.advertise<Number>("topic");
    for (std::uint64_t number = 0; number < kCount; ++number) {
      if (number % 512 == 0) std::this_thread::yield();
      (void)out.publish(Number{number});
    }
  });
  Counting counting(in, kCount);
  CHECK(run_until(io, [&] { return counting.taken() == kCount; }));
  publishing.join();
  CHECK(in.subscription().stats().lost == 0);
}

TEST_CASE("a foreign loop takes the latest message of an ESHM topic") {
  const SegmentName channel;
  const ReliableDomain domain(
      "{/**: {transport: eshm, direction: master_to_slave, channel: " + channel.name().substr(1) + "}}");
  Node node("node", domain.options);
  io_context io;
  auto out = node.advertise<Number>("topic");
  AsyncSubscription in(io, node.subscribe<Number>("topic"));
  std::uint64_t latest = 0;
  const std::function<void()> next = [&] {
    in.async_take([&](error_code error, Message<Number> message) {
      if (error || message->value <= latest) return;
      latest = message->value;
      next();
    });
  };
  next();
  std::thread publishing([&] {
    for (std::uint64_t number = 1; number <= 1'000; ++number) (void)out.publish(Number{number});
  });
  CHECK(run_until(io, [&] { return latest == 1'000; }));
  publishing.join();
  ::shm_unlink(("/eshm_" + channel.name().substr(1)).c_str());
}

TEST_CASE("a handler is not called from within async_take, and may take again and destroy the subscription") {
  const ReliableDomain domain;
  Node node("node", domain.options);
  io_context io;
  auto out = node.advertise_bytes("topic");
  auto in = std::make_unique<AsyncSubscription<BytesSubscription>>(io, node.subscribe_bytes("topic"));
  const Number number{7};
  REQUIRE(out.publish(std::as_bytes(std::span(&number, 1))) == PublishResult::ok);
  BytesMessage kept;
  bool returned = false;
  in->async_take([&](error_code error, BytesMessage message) {
    CHECK(returned);
    CHECK_FALSE(error);
    kept = std::move(message);
    in.reset();
  });
  returned = true;
  CHECK(run_until(io, [&] { return in == nullptr; }));
  CHECK(kept.valid());
  CHECK(kept.bytes().size() == sizeof number);
  CHECK(out.subscriber_count() == 1);  // the message keeps it
  kept = {};
  CHECK(out.subscriber_count() == 0);
}

TEST_CASE("futures") {
  const ReliableDomain domain;
  Node node("node", domain.options);
  auto context = std::make_unique<io_context>();
  auto out = node.advertise<Number>("topic");
  AsyncSubscription in(*context, node.subscribe<Number>("topic"));
  auto first = in.async_take(boost::asio::use_future);
  REQUIRE(out.publish(Number{1}) == PublishResult::ok);
  std::thread running([&] { context->run(); });
  CHECK(first.get()->value == 1);
  running.join();
  auto cancelled = in.async_take(boost::asio::use_future);
  in.cancel();
  context->restart();
  context->run();
  CHECK_THROWS_AS(cancelled.get(), boost::system::system_error);
  in = AsyncSubscription(*context, node.subscribe<Number>("other"));
  auto dropped = in.async_take(boost::asio::use_future);
  { const AsyncSubscription last(std::move(in)); }
  context.reset();
  CHECK_THROWS_AS(dropped.get(), std::future_error);
}

#ifdef BOOST_ASIO_HAS_CO_AWAIT
TEST_CASE("coroutines") {
  const ReliableDomain domain;
  Node node("node", domain.options);
  io_context io;
  auto out = node.advertise<Number>("topic");
  AsyncSubscription in(io, node.subscribe<Number>("topic"));
  std::uint64_t sum = 0;
  error_code end;
  const auto take_all = [&]() -> boost::asio::awaitable<void> {
    try {
      for (;;) {
        const Message<Number> message = co_await in.async_take(boost::asio::use_awaitable);
        sum += message->value;
      }
    } catch (const boost::system::system_error& error) {
      end = error.code();
    }
  };
  boost::asio::co_spawn(io, take_all, boost::asio::detached);
  for (std::uint64_t number = 1; number <= 10; ++number) {
    REQUIRE(out.publish(Number{number}) == PublishResult::ok);
    CHECK(run_until(io, [&] { return sum == number * (number + 1) / 2; }));
  }
  in.close();
  CHECK(run_until(io, [&] { return end == boost::asio::error::operation_aborted; }));
}
#endif

TEST_CASE("many subscriptions have a take outstanding each") {
  const ReliableDomain domain;
  Node node("node", domain.options);
  io_context io;
  constexpr std::size_t kTopics = 150;  // more than one futex_waitv takes
  std::deque<Publisher<Number>> out;
  std::deque<AsyncSubscription<Subscription<Number>>> in;
  std::deque<Counting<Subscription<Number>>> counting;
  for (std::size_t k = 0; k < kTopics; ++k) {
    const std::string topic = "topic" + std::to_string(k);
    out.push_back(node.advertise<Number>(topic));
    in.emplace_back(io, node.subscribe<Number>(topic));
    counting.emplace_back(in.back(), 3);
  }
  for (std::uint64_t number = 0; number < 3; ++number) {
    for (std::size_t k = kTopics; k-- > 0;) REQUIRE(out[k].publish(Number{number}) == PublishResult::ok);
    CHECK(run_until(io, [&] {
      return std::all_of(counting.begin(), counting.end(), [&](const auto& one) { return one.taken() > number; });
    }));
  }
}

TEST_CASE("an outstanding take ends with operation_aborted, and takes nothing") {
  const ReliableDomain domain;
  Node node("node", domain.options);
  io_context io;
  auto out = node.advertise<Number>("topic");
  auto in = std::make_unique<AsyncSubscription<Subscription<Number>>>(io, node.subscribe<Number>("topic"));
  const bool waits_already = GENERATE(false, true);
  Outcome outcome(*in);
  if (waits_already) (void)io.poll();
  REQUIRE(outcome.completed == 0);

  SECTION("cancelled, and the next one is as any") {
    in->cancel();
    if (!waits_already) REQUIRE(out.publish(Number{1}) == PublishResult::ok);
    CHECK(run_until(io, [&] { return outcome.completed == 1; }));
    Outcome next(*in);
    if (waits_already) REQUIRE(out.publish(Number{1}) == PublishResult::ok);
    CHECK(run_until(io, [&] { return next.completed == 1; }));
    CHECK_FALSE(next.error);
    CHECK(next.valid);
  }
  SECTION("closed, and the next one is refused") {
    in->close();
    CHECK(run_until(io, [&] { return outcome.completed == 1; }));
    Outcome next(*in);
    CHECK(run_until(io, [&] { return next.completed == 1; }));
    CHECK(next.error == boost::asio::error::bad_descriptor);
  }
  SECTION("destroyed") {
    in.reset();
    CHECK(run_until(io, [&] { return outcome.completed == 1; }));
    CHECK(out.subscriber_count() == 0);
  }
  SECTION("interrupted by another thread, at once") {
    std::thread([&] { in->subscription().interrupt(); }).join();
    CHECK(run_until(io, [&] { return outcome.completed == 1; }));
  }
  CHECK(outcome.error == boost::asio::error::operation_aborted);
  CHECK_FALSE(outcome.valid);
  (void)io.poll();
  CHECK(outcome.completed == 1);
}

TEST_CASE("a second take of one subscription is refused, and the first one goes on") {
  const ReliableDomain domain;
  Node node("node", domain.options);
  io_context io;
  auto out = node.advertise<Number>("topic");
  AsyncSubscription in(io, node.subscribe<Number>("topic"));
  Outcome first(in);
  Outcome second(in);
  CHECK(run_until(io, [&] { return second.completed == 1; }));
  CHECK(second.error == boost::asio::error::already_started);
  CHECK(first.completed == 0);
  REQUIRE(out.publish(Number{1}) == PublishResult::ok);
  CHECK(run_until(io, [&] { return first.completed == 1; }));
  CHECK(first.valid);
}

TEST_CASE("a stopped context keeps the take for its next run") {
  const ReliableDomain domain;
  Node node("node", domain.options);
  io_context io;
  auto out = node.advertise<Number>("topic");
  AsyncSubscription in(io, node.subscribe<Number>("topic"));
  Outcome outcome(in);
  (void)io.poll();
  io.stop();
  (void)io.run();
  REQUIRE(out.publish(Number{1}) == PublishResult::ok);
  CHECK(outcome.completed == 0);
  CHECK(run_until(io, [&] { return outcome.completed == 1; }));
  CHECK(outcome.valid);
}

TEST_CASE("a context that is destroyed drops the take, and leaves the subscription and its messages alone") {
  const ReliableDomain domain;
  Node node("node", domain.options);
  auto out = node.advertise<Number>("topic");
  Message<Number> kept;
  bool dropped = false;
  {
    io_context io;
    AsyncSubscription in(io, node.subscribe<Number>("topic"));
    REQUIRE(out.publish(Number{1}) == PublishResult::ok);
    in.async_take([&](error_code, Message<Number> message) { kept = std::move(message); });
    CHECK(run_until(io, [&] { return kept.valid(); }));
    in.async_take([witness = std::shared_ptr<bool>(&dropped, [](bool* gone) { *gone = true; })](
                      error_code, const Message<Number>&) { FAIL("no message came"); });
    io.restart();
    (void)io.poll();
  }
  CHECK(dropped);
  CHECK(kept->value == 1);
  kept = {};
  CHECK(out.subscriber_count() == 0);
}

TEST_CASE("several threads run the context, and a strand keeps the subscription to one") {
  const ReliableDomain domain;
  Node node("node", domain.options);
  io_context io;
  auto out = node.advertise<Number>("topic");
  const boost::asio::any_io_executor strand = boost::asio::make_strand(io);
  AsyncSubscription in(strand, node.subscribe<Number>("topic"));
  constexpr std::uint64_t kCount = 2'000;
  Counting counting(in, kCount);
  std::vector<std::thread> threads;
  for (int k = 0; k < 3; ++k) threads.emplace_back([&] { io.run(); });  // returns when nothing is outstanding
  for (std::uint64_t number = 0; number < kCount; ++number) REQUIRE(out.publish(Number{number}) == PublishResult::ok);
  for (std::thread& thread : threads) thread.join();
  CHECK(counting.taken() == kCount);
}

TEST_CASE("after a fork a take is refused in the child, and goes on in the parent") {
  const ReliableDomain domain;
  Node node("node", domain.options);
  io_context io;
  auto out = node.advertise<Number>("topic");
  auto in = std::make_unique<AsyncSubscription<Subscription<Number>>>(io, node.subscribe<Number>("topic"));
  auto outcome = std::make_unique<Outcome>(*in);
  (void)io.poll();
  io.notify_fork(io_context::fork_prepare);
  ChildProcess child([&] {
    io.notify_fork(io_context::fork_child);
    in->cancel();
    if (!run_until(io, [&] { return outcome->completed == 1; })) return 1;
    Outcome refused(*in);
    if (!run_until(io, [&] { return refused.completed == 1; })) return 2;
    in.reset();
    return refused.error == boost::asio::error::no_permission ? 0 : 3;
  });
  io.notify_fork(io_context::fork_parent);
  CHECK(child.wait() == 0);
  REQUIRE(outcome->completed == 0);
  REQUIRE(out.publish(Number{1}) == PublishResult::ok);
  CHECK(run_until(io, [&] { return outcome->completed == 1; }));
  CHECK(outcome->valid);
}
