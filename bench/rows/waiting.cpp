#include <sys/epoll.h>

#include <boost/asio/io_context.hpp>

#include <sluice/asio.hpp>
#include <sluice/sluice.hpp>

#include "rows/limit_runs.hpp"
#include "rows/node_links.hpp"
#include "rows/rows.hpp"

/// The ways in which a program waits for a node's messages, beside each other.
namespace sluice::bench {

namespace {

class ByTakeFor : public SubscriptionLink {
 public:
  using SubscriptionLink::SubscriptionLink;
  [[nodiscard]] std::optional<std::uint64_t> try_receive() {
    const auto message = in_.take_for(std::chrono::seconds{1});
    return message ? std::optional(number_of(**message)) : std::nullopt;
  }
};

class ByEpoll : public SubscriptionLink {
 public:
  ByEpoll(Node& node, const char* topic) : SubscriptionLink(node, topic), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, in_.pollable_fd(), &event) != 0) throw RunFailed("no epoll");
  }
  [[nodiscard]] std::optional<std::uint64_t> try_receive() {
    if (const auto number = SubscriptionLink::try_receive()) return number;
    epoll_event event{};
    if (in_.arm_fd()) (void)::epoll_wait(epoll_.get(), &event, 1, 1'000);
    return std::nullopt;
  }

 private:
  shm::UniqueFd epoll_;
};

class ByAsyncTake {
 public:
  ByAsyncTake(Node& node, const char* topic) : in_(io_, node.subscribe<NodeMessage>(topic)) {}
  [[nodiscard]] std::optional<std::uint64_t> try_receive() {
    std::optional<std::uint64_t> number;
    in_.async_take([&](boost::system::error_code error, const Message<NodeMessage>& message) {
      if (!error) number = number_of(*message);
    });
    io_.restart();
    io_.run();
    return number;
  }

 private:
  boost::asio::io_context io_;
  AsyncSubscription<Subscription<NodeMessage>> in_;
};

}  // namespace

void add_waiting_rows(Rows& rows, Effort effort) {
  const RoundTrips trips = effort.round_trips(4'000);
  const auto add = [&](const char* name, Outcome (*run)(RoundTrips, bool)) {
    rows.push_back({"nodes, ways to wait for 64 B",
                    name,
                    "futex",
                    Unit::half_round_trip_ns,
                    [=] { return futex_latency(trips); },
                    [=] { return run(trips, false); },
                    {}});
  };
  add("take, spinning", node_round_trips<SubscriptionLink>);
  add("take_for", node_round_trips<ByTakeFor>);
  add("callback in an executor", node_round_trips<CallbackLink>);
  add("pollable descriptor, epoll", node_round_trips<ByEpoll>);
  add("async_take", node_round_trips<ByAsyncTake>);
}

}  // namespace sluice::bench
