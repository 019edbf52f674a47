#include <time.h>

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include <sluice/eshm/channel.hpp>
#include <sluice/shm/doorbell.hpp>

#include "limits/futex_line.hpp"
#include "rows/limit_runs.hpp"
#include "rows/rows.hpp"
#include "rows/topic_runs.hpp"

/// ESHM channels: `eshm::Channel`, and topics of the transport.
namespace sluice::bench {

namespace {

constexpr double kGoal = 1.15;

eshm::ChannelOptions channel_options(eshm::Role role, std::size_t size) {
  eshm::ChannelOptions options;
  options.role = role;
  options.max_size = std::max<std::size_t>(eshm::kDefaultMaxSize, size);
  return options;
}

/// One end. The master's compares every echo with what it sent; the slave's sends back what it received.
class ChannelLink {
 public:
  ChannelLink(const std::string& name, eshm::Role role, std::size_t size, Waiting waiting)
      : channel_(name, channel_options(role, size)),
        timeout_(waiting == Waiting::spinning ? std::chrono::nanoseconds{0} : eshm::Channel::kForever),
        echoes_(role == eshm::Role::slave),
        received_(size),
        sent_(size) {
    if (waiting == Waiting::spinning) return;
    eshm::SegmentRequest request;
    request.name = name;
    request.max_size = channel_.max_size();
    segment_ = eshm::attach_segment(request);
  }

  void send_copy(std::span<const std::byte> payload) {
    wait_for_sleeper();
    if (!echoes_) std::memcpy(sent_.data(), payload.data(), payload.size());
    if (channel_.write(echoes_ ? received_ : sent_) != eshm::WriteStatus::ok) throw RunFailed("a write was refused");
  }

  [[nodiscard]] std::optional<std::uint64_t> try_receive() {
    const eshm::ReadResult result = channel_.read(received_, timeout_);
    if (result.status == eshm::ReadStatus::nothing) return std::nullopt;
    if (result.status != eshm::ReadStatus::ok || result.size != received_.size()) throw RunFailed("a read failed");
    if (!echoes_ && std::memcmp(received_.data(), sent_.data(), sent_.size()) != 0) throw RunFailed("a false echo");
    return read_every_line(received_.data(), received_.size());
  }

 private:
  /// A reader looks for a moment before it sleeps, and would find the answer to come. What is measured here is waking.
  void wait_for_sleeper() const noexcept {
    if (!segment_) return;
    const eshm::MailboxTail& tail = *segment_->mailbox(channel_.side()).tail;
    while (tail.waiters.load_acquire() == 0) shm::spin_pause();
  }

  eshm::Channel channel_;
  std::optional<eshm::Segment> segment_;
  std::chrono::nanoseconds timeout_;
  bool echoes_;
  std::vector<std::byte> received_;
  std::vector<std::byte> sent_;
};

Outcome channel_latency(RoundTrips trips, std::size_t size, Waiting waiting) {
  const Workplace place;
  const std::string name = place.channel_name();
  return run_two_sides(
      Placement::processes,
      [&](Meeting& meeting) {
        ChannelLink link(name, eshm::Role::master, size, waiting);
        ping(meeting, link, link, trips, By::copy, size);
      },
      [&](Meeting& meeting) {
        ChannelLink link(name, eshm::Role::slave, size, waiting);
        pong(meeting, link, link, trips, By::copy, size);
      });
}

/// Round trips a second, in millions.
Outcome as_rate(Outcome outcome) {
  outcome.value = 1000.0 / (2 * outcome.value);
  return outcome;
}

/// A control loop: one side sends at 1 kHz by the clock, the other sleeps until it is woken. What is measured is by how
/// much the distance of two arrivals differs from a millisecond.
template <typename Out, typename In>
Outcome control_loop(std::uint64_t beats, const std::function<std::unique_ptr<Out>()>& sender,
                     const std::function<std::unique_ptr<In>()>& receiver) {
  constexpr std::int64_t kPeriod = 1'000'000;
  return run_two_sides(
      Placement::processes,
      [&](Meeting& meeting) {
        const auto out = sender();
        std::vector<std::byte> payload(64);
        meeting.wait_for_the_other();
        std::int64_t due = shm::monotonic_ns();
        for (std::uint64_t i = 0; i <= beats; ++i) {
          const timespec time = shm::Deadline::at(due += kPeriod).as_timespec();
          ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr);
          send(*out, By::copy, payload, i);
        }
        meeting.wait_for_the_other();
      },
      [&](Meeting& meeting) {
        const auto in = receiver();
        std::vector<std::int64_t> jitter;
        meeting.wait_for_the_other();
        (void)receive(*in);
        std::uint64_t number = 0;  // of a mailbox's messages one may be replaced, so they cannot be counted
        for (std::int64_t before = shm::monotonic_ns(); number < beats;) {
          number = receive(*in);
          const std::int64_t now = shm::monotonic_ns();
          jitter.push_back(std::abs(now - before - kPeriod));
          before = now;
        }
        meeting.outcome.value = meeting.outcome.p50 = percentile(jitter, 0.5);
        meeting.outcome.p99 = percentile(jitter, 0.99);
        meeting.outcome.p999 = percentile(jitter, 0.999);
        meeting.wait_for_the_other();
      });
}

Outcome channel_control_loop(std::uint64_t beats) {
  const Workplace place;
  const auto end = [&](eshm::Role role) {
    return [&place, role] {
      return std::make_unique<ChannelLink>(place.channel_name(), role, std::size_t{64}, Waiting::sleeping);
    };
  };
  return control_loop<ChannelLink, ChannelLink>(beats, end(eshm::Role::master), end(eshm::Role::slave));
}

Outcome futex_control_loop(std::uint64_t beats) {
  using limits::FutexLine;
  const SharedMemory memory(sizeof(FutexLine::Memory));
  const auto end = [&] { return std::make_unique<FutexLine>(memory.as<FutexLine::Memory>()); };
  return control_loop<FutexLine, FutexLine>(beats, end, end);
}

std::int64_t cpu_ns() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return std::int64_t{used.tv_sec} * 1'000'000'000 + used.tv_nsec;
}

/// Processor time in a second of waiting, all threads of the process.
template <typename Wait>
Outcome cost_of_waiting(std::chrono::nanoseconds duration, Wait wait) {
  Outcome outcome;
  const std::int64_t before = cpu_ns();
  wait(duration);
  outcome.value = static_cast<double>(cpu_ns() - before) * 1e9 / static_cast<double>(duration.count());
  return outcome;
}

Outcome idle_reader(std::chrono::nanoseconds duration) {
  const Workplace place;
  const eshm::Channel master(place.channel_name(), channel_options(eshm::Role::master, 64));
  eshm::Channel slave(place.channel_name(), channel_options(eshm::Role::slave, 64));
  return cost_of_waiting(duration, [&](std::chrono::nanoseconds time) {
    std::array<std::byte, 64> buffer;
    (void)slave.read(buffer, time);
  });
}

/// What the format asks of a sleeper: to look every 50 ms, and to beat every 10 ms.
Outcome idle_limit(std::chrono::nanoseconds duration) {
  shm::Doorbell bell{};
  return cost_of_waiting(duration, [&](std::chrono::nanoseconds time) {
    const shm::Deadline end = shm::Deadline::after(time);
    while (!end.passed()) shm::futex_wait(bell.word(), 0, shm::Deadline::after(std::chrono::milliseconds{8}));
  });
}

/// The goal is for small messages: the limits copy none.
std::optional<double> goal_of(std::size_t size) { return size == 64 ? std::optional(kGoal) : std::nullopt; }

}  // namespace

void add_channel_rows(Rows& rows, Effort effort) {
  const auto add = [&](const char* group, std::string name, const char* limit_name, Unit unit, auto limit,
                       auto measured, std::optional<double> goal = {}) {
    rows.push_back({group, std::move(name), limit_name, unit, limit, measured, goal});
  };
  constexpr auto kHalf = Unit::half_round_trip_ns;
  constexpr const char* kSpinning = "channels, spinning, every echo compared";
  constexpr const char* kAsleep = "channels, readers asleep, every echo compared";
  constexpr std::size_t kSizes[] = {64, std::size_t{1} << 10U, std::size_t{4} << 10U, std::size_t{1} << 20U};
  for (const std::size_t size : kSizes) {
    const RoundTrips trips = effort.round_trips(size == 64 ? 100'000 : size < (1U << 20U) ? 50'000 : 500);
    add(
        kSpinning, "Channel, " + size_text(size), "mailbox", kHalf, [=] { return mailbox_latency(trips, size); },
        [=] { return channel_latency(trips, size, Waiting::spinning); }, goal_of(size));
  }
  for (const std::size_t size : kSizes) {
    const RoundTrips trips = effort.round_trips(size < (1U << 20U) ? 4'000 : 500);
    add(
        kAsleep, "Channel, " + size_text(size), "futex", kHalf, [=] { return futex_latency(trips); },
        [=] { return channel_latency(trips, size, Waiting::sleeping); }, goal_of(size));
  }
  const RoundTrips trips = effort.round_trips(100'000);
  const RoundTrips few = effort.round_trips(4'000);
  add(
      "channels as topics, 64 B", "eshm, spinning", "mailbox", kHalf, [=] { return mailbox_latency(trips, 64); },
      [=] { return topic_latency(Topics::Kind::eshm, trips, By::copy, 64, Waiting::spinning); }, kGoal);
  add(
      "channels as topics, 64 B", "eshm, asleep", "futex", kHalf, [=] { return futex_latency(few); },
      [=] { return topic_latency(Topics::Kind::eshm, few, By::copy, 64, Waiting::sleeping); }, kGoal);
  add(
      "channels, verified round trips", "Channel, 64 B", "line", Unit::million_per_second,
      [=] { return as_rate(line_latency(trips)); },
      [=] { return as_rate(channel_latency(trips, 64, Waiting::spinning)); });
  const std::uint64_t beats = effort.of(3'000);
  add(
      "channels, jitter of a control loop at 1 kHz", "Channel, 64 B", "futex", Unit::ns,
      [=] { return futex_control_loop(beats); }, [=] { return channel_control_loop(beats); });
  const std::chrono::nanoseconds second(static_cast<std::int64_t>(effort.of(1'000)) * 1'000'000);
  add(
      "channels, processor time in a second of waiting", "master and slave, idle", "sleep", Unit::ns,
      [=] { return idle_limit(second); }, [=] { return idle_reader(second); });
}

}  // namespace sluice::bench
