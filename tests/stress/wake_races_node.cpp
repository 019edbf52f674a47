#include <poll.h>

#include <functional>
#include <stdexcept>
#include <utility>

#include <boost/asio/io_context.hpp>

#include <sluice/asio.hpp>
#include <sluice/sluice.hpp>

#include "stress/wake_races.hpp"

namespace sluice::stress {

namespace {

using namespace std::chrono_literals;

struct Race {
  std::uint64_t number;
};

constexpr const char* kTopic = "wake";

NodeOptions node_options(const WakePlace& place) {
  NodeOptions options;
  options.handle_signals = false;
  options.config = Config::parse("runtime_dir: " + place.directory + "\ntopics: {/wake: {depth: 4, reliability: " +
                                     (place.options.reliable ? "reliable" : "best_effort") +
                                     ", max_blocking_time: 600s, evict_after: 600s, stall_timeout: 300s}}\n",
                                 "wake_races");
  return options;
}

/// The next message, waited for in one way. One call may return without one.
using Next = std::function<std::uint64_t()>;

Next by_take_for(Node& node) {
  auto in = std::make_shared<Subscription<Race>>(node.subscribe<Race>(kTopic));
  return [in]() -> std::uint64_t {
    const auto message = in->take_for(600s);
    return message ? (*message)->number : 0;
  };
}

Next by_executor(Node& node) {
  auto number = std::make_shared<std::uint64_t>(0);
  auto in = std::make_shared<Subscription<Race>>(
      node.subscribe<Race>(kTopic, [number](const Race& race) { *number = race.number; }));
  auto executor = std::make_shared<Executor>();
  executor->add(node);
  return [in, executor, number] {
    *number = 0;
    executor->spin_once(600s);
    return *number;
  };
}

Next by_descriptor(Node& node) {
  auto in = std::make_shared<Subscription<Race>>(node.subscribe<Race>(kTopic));
  return [in]() -> std::uint64_t {
    if (const auto message = in->take()) return (*message)->number;
    pollfd entry{in->pollable_fd(), POLLIN, 0};
    if (in->arm_fd()) ::poll(&entry, 1, -1);
    return 0;
  };
}

Next by_async_take(Node& node) {
  auto io = std::make_shared<boost::asio::io_context>();
  auto in = std::make_shared<AsyncSubscription<Subscription<Race>>>(*io, node.subscribe<Race>(kTopic));
  return [=] {
    std::uint64_t number = 0;
    in->async_take([&](boost::system::error_code error, const Message<Race>& message) {
      if (error) throw boost::system::system_error(error);
      number = message->number;
    });
    io->restart();
    io->run();
    return number;
  };
}

Next way(const std::string& mode, Node& node) {
  if (mode == "take_for") return by_take_for(node);
  if (mode == "executor") return by_executor(node);
  if (mode == "descriptor") return by_descriptor(node);
  if (mode == "async") return by_async_take(node);
  throw std::invalid_argument("there is no mode '" + mode + "'");
}

}  // namespace

int node_reader(const WakePlace& place, std::uint32_t index) {
  Node node("reader" + std::to_string(index), node_options(place));
  const Next next = way(place.options.mode, node);
  Sleeper& log = place.shared.sleepers[index];
  Moment moment(place.options.seed * 100 + index);
  place.shared.ready.fetch_add_seq_cst(1);
  for (std::uint64_t race = 1; race <= place.options.races; ++race) {
    log.turn.store_release(race);
    moment.pass();
    std::uint64_t number = 0;
    while ((number = next()) == 0) log.sleeps.fetch_add_relaxed(1);
    const std::int64_t now = shm::monotonic_ns();
    if (number != race) throw std::runtime_error("message " + std::to_string(number) + " out of order");
    const bool over = place.shared.done.load_acquire() >= race;  // then the time is that of this race
    if (over && now - static_cast<std::int64_t>(place.shared.done_ns.load_relaxed()) > kLate) {
      if (log.lost.fetch_add_relaxed(1) >= kEnough) return 5;
    }
    log.races.store_relaxed(race);
  }
  return 0;
}

int node_publisher(const WakePlace& place) {
  Node node("publisher", node_options(place));
  auto out = node.advertise<Race>(kTopic);
  wait_for(place.shared.ready, place.options.readers);
  if (!out.wait_for_subscribers(place.options.readers, 60s)) return 3;
  Moment moment(place.options.seed);
  for (std::uint64_t race = 1; race <= place.options.races; ++race) {
    for (std::uint32_t k = 0; k < place.options.readers; ++k) wait_for(place.shared.sleepers[k].turn, race);
    moment.pass();
    if (out.publish(Race{race}) != PublishResult::ok) return 4;
    place.shared.done_ns.store_relaxed(static_cast<std::uint64_t>(shm::monotonic_ns()));
    place.shared.done.store_release(race);
  }
  return 0;
}

}  // namespace sluice::stress
