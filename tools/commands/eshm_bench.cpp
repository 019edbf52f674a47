#include <algorithm>
#include <cstdio>
#include <iostream>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include <sluice/error.hpp>
#include <sluice/shm/deadline.hpp>
#include <sluice/units.hpp>

#include "commands/eshm_end.hpp"

namespace sluice::commands {

namespace {

using Bytes = std::vector<std::byte>;

constexpr std::chrono::milliseconds kLookAround{50};
constexpr std::chrono::seconds kResendAfter{1};

/// The next message, or nothing for about `kLookAround`.
eshm::ReadResult read_one(eshm::Channel& channel, Bytes& buffer, bool spin) {
  if (!spin) return channel.read(buffer, kLookAround);
  const std::int64_t until = shm::monotonic_ns() + std::chrono::nanoseconds(kLookAround).count();
  for (;;) {
    for (int look = 0; look < 1000; ++look) {
      const eshm::ReadResult result = channel.try_read(buffer);
      if (result.status != eshm::ReadStatus::nothing) return result;
    }
    if (shm::monotonic_ns() >= until) return {};
  }
}

/// Every byte depends on the number, so that a torn or an old message is seen.
void fill(Bytes& message, std::uint64_t number) {
  for (std::size_t i = 0; i < message.size(); ++i) {
    const std::uint64_t word = (number + i / 8 + 1) * 0x9E3779B97F4A7C15U;
    message[i] = static_cast<std::byte>(word >> (8 * (i % 8)));
  }
}

/// What a drive found.
struct Drive {
  std::vector<std::int64_t> round_trips;  ///< In nanoseconds.
  std::uint64_t mismatches = 0;
  std::uint64_t resent = 0;
  bool silent = false;  ///< No echo came within the patience.
  std::int64_t elapsed_ns = 0;

  [[nodiscard]] double at(double share) const {
    const auto rank = static_cast<std::size_t>(share * static_cast<double>(round_trips.size()));
    return static_cast<double>(round_trips[std::min(rank, round_trips.size() - 1)]) / 1000;
  }
  [[nodiscard]] double a_second() const {
    return static_cast<double>(round_trips.size()) * 1e9 / static_cast<double>(std::max<std::int64_t>(elapsed_ns, 1));
  }
};

class Driver {
 public:
  Driver(OpenEnd& end, const EshmBenchOptions& options)
      : end_(end),
        spin_(options.spin),
        patience_(parse_duration(options.patience.empty() ? "10s" : options.patience)),
        message_(parse_size(options.size)),
        previous_(message_.size()),
        buffer_(end.channel.max_size()) {}

  /// False: asked to stop while waiting.
  bool await_slave(const std::string& name) {
    if (end_.channel.remote_state() != eshm::RemoteState::alive) {
      std::fprintf(stderr, "waiting for the other side: sluice eshm bench echo %s\n", name.c_str());
    }
    while (end_.channel.remote_state() != eshm::RemoteState::alive) {
      if (should_stop()) return false;
      (void)end_.channel.read(buffer_, kLookAround);
    }
    return true;
  }

  Drive run(std::uint64_t count) {
    drive_.round_trips.reserve(count);
    const std::int64_t begun = shm::monotonic_ns();
    for (std::uint64_t number = 0; number < count && !should_stop() && !drive_.silent; ++number) {
      std::swap(previous_, message_);
      fill(message_, number);
      round_trip();
    }
    drive_.elapsed_ns = shm::monotonic_ns() - begun;
    std::sort(drive_.round_trips.begin(), drive_.round_trips.end());
    return std::move(drive_);
  }

 private:
  void round_trip() {
    const std::int64_t sent_ns = shm::monotonic_ns();
    std::int64_t resend_ns = sent_ns + std::chrono::nanoseconds(kResendAfter).count();
    (void)end_.channel.write(message_);
    while (!should_stop()) {
      const eshm::ReadResult result = read_one(end_.channel, buffer_, spin_);
      const std::int64_t now = shm::monotonic_ns();
      if (result.status == eshm::ReadStatus::ok && !is_late_echo(result.size)) {
        drive_.round_trips.push_back(now - sent_ns);
        if (!echoes(message_, result.size)) ++drive_.mismatches;
        return;
      }
      if (now - sent_ns >= patience_.count()) {
        drive_.silent = true;
        return;
      }
      // An echo that was started anew has no memory of what its predecessor left unanswered.
      if (now >= resend_ns) {
        resend_ns = now + std::chrono::nanoseconds(kResendAfter).count();
        std::fprintf(stderr, "no echo for %lld s; the slave is %s\n",
                     static_cast<long long>((now - sent_ns) / 1000000000), name_of(end_.channel.remote_state()));
        ++drive_.resent;
        (void)end_.channel.write(message_);
      }
    }
  }

  [[nodiscard]] bool echoes(const Bytes& message, std::size_t size) const {
    return size == message.size() && std::equal(message.begin(), message.end(), buffer_.begin());
  }

  /// Of a message that was sent twice.
  [[nodiscard]] bool is_late_echo(std::size_t size) const { return drive_.resent != 0 && echoes(previous_, size); }

  OpenEnd& end_;
  bool spin_;
  std::chrono::nanoseconds patience_;
  Bytes message_;
  Bytes previous_;
  Bytes buffer_;
  Drive drive_;
};

constexpr double kShares[] = {0.5, 0.99, 0.999, 1.0};
constexpr const char* kShareNames[] = {"p50", "p99", "p999", "max"};

void print_json(const Drive& drive, std::size_t size) {
  nlohmann::json round_trip = nullptr;
  nlohmann::json half = nullptr;
  for (std::size_t k = 0; k < std::size(kShares) && !drive.round_trips.empty(); ++k) {
    round_trip[kShareNames[k]] = drive.at(kShares[k]);
    half[kShareNames[k]] = drive.at(kShares[k]) / 2;
  }
  std::cout << nlohmann::json{{"size", size},
                              {"round_trips", drive.round_trips.size()},
                              {"round_trips_per_second", drive.a_second()},
                              {"mismatches", drive.mismatches},
                              {"resent", drive.resent},
                              {"complete", !drive.silent},
                              {"round_trip_us", round_trip},
                              {"half_round_trip_us", half}}
                   .dump(2)
            << std::endl;
}

void print_text(const Drive& drive, std::size_t size) {
  std::printf("%zu round trips of %zu bytes in %.2f s: %.0f a second, %llu mismatches, %llu sent again\n",
              drive.round_trips.size(), size, static_cast<double>(drive.elapsed_ns) / 1e9, drive.a_second(),
              static_cast<unsigned long long>(drive.mismatches), static_cast<unsigned long long>(drive.resent));
  if (drive.round_trips.empty()) return;
  std::printf("%-20s %12s %12s %12s %12s\n", "", "p50", "p99", "p99.9", "max");
  for (const int parts : {1, 2}) {
    std::printf("%-20s", parts == 1 ? "whole round trip" : "half a round trip");
    for (const double share : kShares) std::printf(" %9.2f us", drive.at(share) / parts);
    std::printf("\n");
  }
}

std::size_t message_size(const EshmBenchOptions& options) {
  const std::size_t size = parse_size(options.size);
  const std::size_t most = max_size_of(options.end);
  if (size == 0 || size > most) {
    throw Error("--size must be 1 to the channel's --max-size (" + std::to_string(most) + "), not " +
                std::to_string(size));
  }
  return size;
}

/// While the slave looks for a master that seemed to be dead it cannot write; a master that was only slow waits for its
/// echo all the same.
bool write_when_connected(eshm::Channel& channel, std::span<const std::byte> message) {
  for (;;) {
    if (channel.write(message) == eshm::WriteStatus::ok) return true;
    if (should_stop() || channel.connection() == eshm::Connection::gave_up) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
}

}  // namespace

int eshm_bench_echo(const EshmBenchOptions& options) {
  prepare_to_stop();
  auto end = open_end(options.end);
  if (!end) return 0;
  Bytes buffer(end->channel.max_size());
  std::uint64_t echoed = 0;
  bool gave_up = false;
  while (!should_stop() && !gave_up && (options.count == 0 || echoed < options.count)) {
    const eshm::ReadResult result = read_one(end->channel, buffer, options.spin);
    gave_up = result.status == eshm::ReadStatus::gave_up;
    print_events(*end);
    if (result.status == eshm::ReadStatus::ok &&
        write_when_connected(end->channel, std::span(buffer).first(result.size))) {
      ++echoed;
    }
  }
  print_events(*end);
  std::printf("%s Echoed %llu messages, %llu were replaced before they were read%s\n", end->label.c_str(),
              static_cast<unsigned long long>(echoed), static_cast<unsigned long long>(end->channel.stats().conflated),
              gave_up ? "; gave up: the master did not come back" : "");
  close_end(end);
  return gave_up ? 1 : 0;
}

int eshm_bench_drive(const Common& common, const EshmBenchOptions& options) {
  const std::size_t size = message_size(options);
  prepare_to_stop();
  auto end = open_end(options.end, !common.json);
  if (!end) return 0;
  Driver driver(*end, options);
  if (!driver.await_slave(options.end.name)) return 0;
  const Drive drive = driver.run(options.count);
  close_end(end);
  if (common.json) {
    print_json(drive, size);
  } else {
    print_text(drive, size);
  }
  if (drive.silent) std::fprintf(stderr, "gave up: an echo did not come\n");
  return drive.mismatches != 0 || drive.silent ? 1 : 0;
}

}  // namespace sluice::commands
