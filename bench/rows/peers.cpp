#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/interprocess/ipc/message_queue.hpp>

#include <array>

#include "rows/limit_runs.hpp"
#include "rows/links.hpp"
#include "rows/rows.hpp"
#include "rows/topic_runs.hpp"

namespace sluice::bench {

namespace {

/// A pair of descriptors of which one side writes the one and the other reads the other.
class Pipe {
 public:
  enum class Kind { pipe, socket, event };

  explicit Pipe(Kind kind) {
    int result = -1;
    switch (kind) {
      case Kind::pipe: result = ::pipe(ends_.data()); break;
      case Kind::socket: result = ::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends_.data()); break;
      case Kind::event: ends_[0] = ends_[1] = result = ::eventfd(0, 0); break;
    }
    if (result < 0) throw RunFailed("no descriptors to be had");
  }
  ~Pipe() {
    ::close(ends_[0]);
    if (ends_[1] != ends_[0]) ::close(ends_[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  [[nodiscard]] int reading_end() const noexcept { return ends_[0]; }
  [[nodiscard]] int writing_end() const noexcept { return ends_[1]; }

 private:
  std::array<int, 2> ends_{-1, -1};
};

/// Either end. An event carries eight bytes, whatever the message is: it is there for the scale.
class PipeLink {
 public:
  PipeLink(const Pipe& pipe, std::size_t size) : pipe_(pipe), message_(size) {}

  void send_copy(std::span<const std::byte> payload) {
    std::uint64_t one = 1;
    const auto* data = message_.size() == sizeof one ? reinterpret_cast<const std::byte*>(&one) : payload.data();
    if (::write(pipe_.writing_end(), data, message_.size()) < 0) throw RunFailed("cannot write to a descriptor");
  }
  [[nodiscard]] std::optional<std::uint64_t> try_receive() {
    if (::read(pipe_.reading_end(), message_.data(), message_.size()) <= 0) throw RunFailed("cannot read a descriptor");
    return read_every_line(message_.data(), message_.size());
  }

 private:
  const Pipe& pipe_;
  std::vector<std::byte> message_;
};

namespace interprocess = boost::interprocess;

/// Two boost::interprocess::message_queues whose names go with it.
class BoostQueues {
 public:
  BoostQueues() {
    for (const char* name : {"ping", "pong"}) {
      interprocess::message_queue(interprocess::create_only, queue(name).c_str(), 256, 64);
    }
  }
  ~BoostQueues() {
    for (const char* name : {"ping", "pong"}) interprocess::message_queue::remove(queue(name).c_str());
  }
  BoostQueues(const BoostQueues&) = delete;
  BoostQueues& operator=(const BoostQueues&) = delete;

  [[nodiscard]] std::string queue(const char* name) const { return place_.raw_name(name).substr(1); }

 private:
  Workplace place_;
};

class BoostLink {
 public:
  BoostLink(const std::string& name, Waiting waiting)
      : queue_(interprocess::open_only, name.c_str()), waiting_(waiting) {}

  void send_copy(std::span<const std::byte> payload) { queue_.send(payload.data(), payload.size(), 0); }
  [[nodiscard]] std::optional<std::uint64_t> try_receive() {
    std::size_t size = 0;
    unsigned priority = 0;
    if (waiting_ == Waiting::sleeping) {
      queue_.receive(message_.data(), message_.size(), size, priority);
    } else if (!queue_.try_receive(message_.data(), message_.size(), size, priority)) {
      return std::nullopt;
    }
    return read_every_line(message_.data(), size);
  }

 private:
  interprocess::message_queue queue_;
  Waiting waiting_;
  std::array<std::byte, 64> message_{};
};

Outcome pipe_latency(Pipe::Kind kind, RoundTrips trips) {
  const std::size_t size = kind == Pipe::Kind::event ? sizeof(std::uint64_t) : 64;
  const Pipe there(kind);
  const Pipe back(kind);
  return run_two_sides(
      Placement::processes,
      [&](Meeting& meeting) {
        PipeLink out(there, size);
        PipeLink in(back, size);
        ping(meeting, out, in, trips, By::copy, size);
      },
      [&](Meeting& meeting) {
        PipeLink in(there, size);
        PipeLink out(back, size);
        pong(meeting, in, out, trips, By::copy, size);
      });
}

Outcome pipe_throughput(Pipe::Kind kind, std::uint64_t messages) {
  const Pipe there(kind);
  return run_two_sides(
      Placement::processes,
      [&](Meeting& meeting) {
        PipeLink out(there, 64);
        stream(meeting, out, messages, 64);
      },
      [&](Meeting& meeting) {
        PipeLink in(there, 64);
        drain(meeting, in, messages, true);
      });
}

Outcome boost_latency(RoundTrips trips, Waiting waiting) {
  const BoostQueues queues;
  return run_two_sides(
      Placement::processes,
      [&](Meeting& meeting) {
        BoostLink out(queues.queue("ping"), waiting);
        BoostLink in(queues.queue("pong"), waiting);
        ping(meeting, out, in, trips, By::copy, 64);
      },
      [&](Meeting& meeting) {
        BoostLink in(queues.queue("ping"), waiting);
        BoostLink out(queues.queue("pong"), waiting);
        pong(meeting, in, out, trips, By::copy, 64);
      });
}

Outcome boost_throughput(std::uint64_t messages) {
  const BoostQueues queues;
  return run_two_sides(
      Placement::processes,
      [&](Meeting& meeting) {
        BoostLink out(queues.queue("ping"), Waiting::sleeping);
        stream(meeting, out, messages, 64);
      },
      [&](Meeting& meeting) {
        BoostLink in(queues.queue("ping"), Waiting::spinning);
        drain(meeting, in, messages, true);
      });
}

}  // namespace

void add_peer_rows(Rows& rows, Effort effort) {
  const RoundTrips trips = effort.round_trips(20'000);
  const RoundTrips sleeping = effort.round_trips(4'000);
  const std::uint64_t messages = effort.of(200'000);
  const auto latency = [&](const char* name, auto measured) {
    rows.push_back({"peers, latency of 64 B, asleep",
                    name,
                    "futex",
                    Unit::half_round_trip_ns,
                    [=] { return futex_latency(sleeping); },
                    measured,
                    {}});
  };
  latency("Unix socket (SOCK_SEQPACKET)", [=] { return pipe_latency(Pipe::Kind::socket, sleeping); });
  latency("pipe", [=] { return pipe_latency(Pipe::Kind::pipe, sleeping); });
  latency("eventfd (8 B)", [=] { return pipe_latency(Pipe::Kind::event, sleeping); });
  latency("boost message_queue", [=] { return boost_latency(sleeping, Waiting::sleeping); });
  rows.push_back({"peers, latency of 64 B, spinning",
                  "boost message_queue",
                  "line",
                  Unit::half_round_trip_ns,
                  [=] { return line_latency(trips); },
                  [=] { return boost_latency(trips, Waiting::spinning); },
                  {}});
  const auto throughput = [&](const char* name, auto measured) {
    rows.push_back({"peers, throughput of 64 B",
                    name,
                    "cell ring",
                    Unit::million_per_second,
                    [=] { return cell_ring_throughput({}, messages, 64, 256); },
                    measured,
                    {}});
  };
  throughput("Unix socket (SOCK_SEQPACKET)", [=] { return pipe_throughput(Pipe::Kind::socket, messages); });
  throughput("pipe", [=] { return pipe_throughput(Pipe::Kind::pipe, messages); });
  throughput("boost message_queue", [=] { return boost_throughput(messages); });
}

}  // namespace sluice::bench
