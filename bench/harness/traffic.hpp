#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <sluice/shm/deadline.hpp>

#include "harness/cycle_clock.hpp"
#include "harness/two_sides.hpp"
#include "limits/payload.hpp"

/// The two kinds of run, over anything that has send_copy(span), send_filled(size) and try_receive().
namespace sluice::bench {

/// How a message's bytes come about.
enum class By {
  copy,  ///< They lie ready in memory of the sender's own.
  loan,  ///< The sender writes them where the transport wants them.
};

/// A run's value is that of the median of this many equal parts of it. Each part is timed as a whole, so messages carry
/// no clock, and a part in which the machine did something else does not count.
inline constexpr std::uint64_t kParts = 16;

/// How long a latency run is. The value comes from the `timed` round trips; the percentiles from `sampled` further
/// ones, of which each end is also the next one's beginning, so that a sample carries one reading of the cycle counter.
struct RoundTrips {
  std::uint64_t warm = 0;
  std::uint64_t timed = 0;
  std::uint64_t sampled = 0;
  [[nodiscard]] std::uint64_t total() const noexcept { return warm + timed + sampled; }
};

template <typename Link>
void send(Link& link, By by, std::vector<std::byte>& payload, std::uint64_t number) {
  if (by == By::loan) {
    if constexpr (requires { link.send_filled(payload.size()); }) link.send_filled(payload.size());
    return;
  }
  std::memcpy(payload.data(), &number, sizeof number);
  link.send_copy(payload);
}

template <typename Link>
std::uint64_t receive(Link& link) {
  for (;;) {
    if (const auto number = link.try_receive()) return *number;
  }
}

template <typename T>
[[nodiscard]] double percentile(std::vector<T>& samples, double fraction) {
  if (samples.empty()) return 0;
  const auto rank = static_cast<std::size_t>(fraction * static_cast<double>(samples.size() - 1));
  std::nth_element(samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(rank), samples.end());
  return static_cast<double>(samples[rank]);
}

/// Calls `once` count times; the nanoseconds that one call took in the median part.
template <typename Once>
[[nodiscard]] double median_part_ns(std::uint64_t count, Once once) {
  const std::uint64_t each = std::max<std::uint64_t>(1, count / kParts);
  std::vector<double> parts;
  for (std::uint64_t done = 0; done < count; done += each) {
    const std::uint64_t here = std::min(each, count - done);
    const std::int64_t start = shm::monotonic_ns();
    for (std::uint64_t i = 0; i < here; ++i) once();
    parts.push_back(static_cast<double>(shm::monotonic_ns() - start) / static_cast<double>(here));
  }
  return percentile(parts, 0.5);
}

/// The side of a latency run that holds the clock. Half a round trip is what is reported.
template <typename Out, typename In>
void ping(Meeting& meeting, Out& out, In& in, RoundTrips trips, By by, std::size_t size) {
  std::vector<std::byte> payload(size);
  std::vector<std::uint64_t> samples(trips.sampled);
  std::uint64_t number = 0;
  const auto round_trip = [&] {
    send(out, by, payload, number++);
    (void)receive(in);
  };
  meeting.wait_for_the_other();
  for (std::uint64_t i = 0; i < trips.warm; ++i) round_trip();
  const CycleClock clock;
  meeting.outcome.value = median_part_ns(trips.timed, round_trip) / 2;
  std::uint64_t before = CycleClock::now();
  for (std::uint64_t& sample : samples) {
    round_trip();
    const std::uint64_t after = CycleClock::now();
    sample = after - before;
    before = after;
  }
  const double half_a_cycle = clock.ns_per_cycle() / 2;
  meeting.outcome.p50 = percentile(samples, 0.5) * half_a_cycle;
  meeting.outcome.p99 = percentile(samples, 0.99) * half_a_cycle;
  meeting.outcome.p999 = percentile(samples, 0.999) * half_a_cycle;
  meeting.wait_for_the_other();  // nobody leaves while the other still works on the medium
}

template <typename In, typename Out>
void pong(Meeting& meeting, In& in, Out& out, RoundTrips trips, By by, std::size_t size) {
  std::vector<std::byte> payload(size);
  meeting.wait_for_the_other();
  for (std::uint64_t i = 0; i < trips.total(); ++i) {
    (void)receive(in);
    send(out, by, payload, i);
  }
  meeting.wait_for_the_other();
}

template <typename Out>
void stream(Meeting& meeting, Out& out, std::uint64_t messages, std::size_t size) {
  std::vector<std::byte> payload(size);
  meeting.wait_for_the_other();
  for (std::uint64_t i = 0; i < messages; ++i) send(out, By::copy, payload, i);
  meeting.sender_done.store_release(1);
  meeting.wait_for_the_other();
}

/// As stream, `batch` messages in one call of send_batch(spans).
template <typename Out>
void stream_batches(Meeting& meeting, Out& out, std::uint64_t messages, std::size_t size, std::size_t batch) {
  std::vector<std::byte> memory(batch * size);
  std::vector<std::span<const std::byte>> payloads;
  for (std::size_t i = 0; i < batch; ++i) payloads.push_back(std::span(memory).subspan(i * size, size));
  meeting.wait_for_the_other();
  for (std::uint64_t number = 0; number < messages;) {
    const std::uint64_t here = std::min<std::uint64_t>(batch, messages - number);
    for (std::uint64_t i = 0; i < here; ++i, ++number) std::memcpy(&memory[i * size], &number, sizeof number);
    out.send_batch(std::span(payloads).first(here));
  }
  meeting.sender_done.store_release(1);
  meeting.wait_for_the_other();
}

/// Counts what arrives and what is missing by the numbers in the messages, and fails if `complete` is promised and
/// anything is missing. The rate is of messages received: what was sent and lost is no throughput.
template <typename In>
void drain(Meeting& meeting, In& in, std::uint64_t messages, bool complete) {
  meeting.wait_for_the_other();
  const std::uint64_t each = std::max<std::uint64_t>(1, messages / kParts);
  std::vector<double> parts;  // rates
  parts.reserve(kParts + 2);
  std::uint64_t received = 0;
  std::uint64_t expected = 0;
  std::int64_t since = 0;
  while (expected < messages) {
    const bool done = meeting.sender_done.load_acquire() != 0;  // before the look, so that an empty one is final
    const auto number = in.try_receive();
    if (!number) {
      if (done) break;
      continue;
    }
    if (*number < expected || (complete && *number != expected)) {
      throw RunFailed("message " + std::to_string(*number) + " where " + std::to_string(expected) + " was due");
    }
    expected = *number + 1;
    if (received++ % each != 0) continue;
    const std::int64_t now = shm::monotonic_ns();
    if (received > 1) parts.push_back(static_cast<double>(each) * 1000.0 / static_cast<double>(now - since));
    since = now;
  }
  if (complete && received != messages) throw RunFailed("messages are missing at the end");
  meeting.outcome.received = received;
  meeting.outcome.lost = messages - received;
  meeting.outcome.value = percentile(parts, 0.5);
  meeting.wait_for_the_other();
}

}  // namespace sluice::bench
