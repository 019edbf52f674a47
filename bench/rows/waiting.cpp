#include <sys/epoll.h>

#include <array>
#include <memory>

#include <boost/asio/io_context.hpp>

#include <sluice/asio.hpp>
#include <sluice/sluice.hpp>

#include "rows/limit_runs.hpp"
#include "rows/links.hpp"
#include "rows/rows.hpp"

/// The ways in which a program waits for a node's messages, beside each other.
namespace sluice::bench {

struct WaitedFor {
  std::array<std::byte, 64> bytes;
};

namespace {

NodeOptions options_for(const Workplace& place) {
  NodeOptions options;
  options.config = Config::parse("runtime_dir: " + place.directory() +
                                     "\ntopics:\n  /**: {depth: 256, reliability: reliable, max_size: 64, "
                                     "max_blocking_time: 20s, timestamps: false}\n",
                                 "bench");
  options.handle_signals = false;
  return options;
}

std::uint64_t number_of(const WaitedFor& message) {
  return read_every_line(message.bytes.data(), message.bytes.size());
}

class Sending {
 public:
  Sending(Node& node, const char* topic) : publisher_(node.advertise<WaitedFor>(topic)) {}
  void send_copy(std::span<const std::byte> payload) {
    std::memcpy(message_.bytes.data(), payload.data(), message_.bytes.size());
    if (publisher_.publish(message_) != PublishResult::ok) throw RunFailed("a publication was refused");
  }

 private:
  Publisher<WaitedFor> publisher_;
  WaitedFor message_{};
};

class BySpinning {
 public:
  BySpinning(Node& node, const char* topic) : in_(node.subscribe<WaitedFor>(topic)) {}
  [[nodiscard]] std::optional<std::uint64_t> try_receive() {
    const auto message = in_.take();
    return message ? std::optional(number_of(**message)) : std::nullopt;
  }

 protected:
  Subscription<WaitedFor> in_;
};

class ByTakeFor : public BySpinning {
 public:
  using BySpinning::BySpinning;
  [[nodiscard]] std::optional<std::uint64_t> try_receive() {
    const auto message = in_.take_for(std::chrono::seconds{1});
    return message ? std::optional(number_of(**message)) : std::nullopt;
  }
};

class ByExecutor {
 public:
  ByExecutor(Node& node, const char* topic)
      : in_(node.subscribe<WaitedFor>(topic, [this](const WaitedFor& message) { number_ = number_of(message); })) {
    executor_.add(node);
  }
  [[nodiscard]] std::optional<std::uint64_t> try_receive() {
    number_.reset();
    executor_.spin_once(std::chrono::seconds{1});
    return number_;
  }

 private:
  std::optional<std::uint64_t> number_;
  Subscription<WaitedFor> in_;
  Executor executor_;
};

class ByEpoll : public BySpinning {
 public:
  ByEpoll(Node& node, const char* topic) : BySpinning(node, topic), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, in_.pollable_fd(), &event) != 0) throw RunFailed("no epoll");
  }
  [[nodiscard]] std::optional<std::uint64_t> try_receive() {
    if (const auto number = BySpinning::try_receive()) return number;
    epoll_event event{};
    if (in_.arm_fd()) (void)::epoll_wait(epoll_.get(), &event, 1, 1'000);
    return std::nullopt;
  }

 private:
  shm::UniqueFd epoll_;
};

class ByAsyncTake {
 public:
  ByAsyncTake(Node& node, const char* topic) : in_(io_, node.subscribe<WaitedFor>(topic)) {}
  [[nodiscard]] std::optional<std::uint64_t> try_receive() {
    std::optional<std::uint64_t> number;
    in_.async_take([&](boost::system::error_code error, const Message<WaitedFor>& message) {
      if (!error) number = number_of(*message);
    });
    io_.restart();
    io_.run();
    return number;
  }

 private:
  boost::asio::io_context io_;
  AsyncSubscription<Subscription<WaitedFor>> in_;
};

template <typename In>
Outcome round_trips(RoundTrips trips) {
  const Workplace place;
  const auto side = [&](const char* name, const char* from, const char* to, const auto& play) {
    return [&place, name, from, to, play](Meeting& meeting) {
      Node node(name, options_for(place));
      Sending out(node, to);
      In in(node, from);
      play(meeting, in, out);
    };
  };
  return run_two_sides(
      Placement::processes,
      side("ping", "pong", "ping",
           [=](Meeting& meeting, In& in, Sending& out) { ping(meeting, out, in, trips, By::copy, 64); }),
      side("pong", "ping", "pong",
           [=](Meeting& meeting, In& in, Sending& out) { pong(meeting, in, out, trips, By::copy, 64); }));
}

}  // namespace

void add_waiting_rows(Rows& rows, Effort effort) {
  const RoundTrips trips = effort.round_trips(4'000);
  const auto add = [&](const char* name, Outcome (*run)(RoundTrips)) {
    rows.push_back({"nodes, ways to wait for 64 B",
                    name,
                    "futex",
                    Unit::half_round_trip_ns,
                    [=] { return futex_latency(trips); },
                    [=] { return run(trips); },
                    {}});
  };
  add("take, spinning", round_trips<BySpinning>);
  add("take_for", round_trips<ByTakeFor>);
  add("callback in an executor", round_trips<ByExecutor>);
  add("pollable descriptor, epoll", round_trips<ByEpoll>);
  add("async_take", round_trips<ByAsyncTake>);
}

}  // namespace sluice::bench
