#pragma once

#include <time.h>

#include <chrono>
#include <cstdint>

namespace sluice::shm {

/// Nanoseconds of CLOCK_MONOTONIC, the clock of every timestamp and every wait in Sluice: all processes of one host
/// read the same value, and setting the wall clock does not move it.
[[nodiscard]] inline std::int64_t monotonic_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// As monotonic_ns, as of the last timer interrupt (1 to 10 ms ago): cheap enough for a polling loop.
[[nodiscard]] inline std::int64_t monotonic_coarse_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// A point of CLOCK_MONOTONIC, or never.
class Deadline {
 public:
  /// Later than every other.
  [[nodiscard]] static Deadline never() noexcept { return Deadline{kNever}; }

  /// At `ns` of CLOCK_MONOTONIC.
  [[nodiscard]] static Deadline at(std::int64_t ns) noexcept { return Deadline{ns}; }

  /// From now; ten years and more are never.
  [[nodiscard]] static Deadline after(std::chrono::nanoseconds duration) noexcept {
    if (duration >= kLongest) return never();
    return Deadline{monotonic_ns() + duration.count()};
  }

  /// Made by never(), or longer away than ten years.
  [[nodiscard]] bool is_never() const noexcept { return ns_ == kNever; }

  /// Reads the clock.
  [[nodiscard]] bool passed() const noexcept { return !is_never() && monotonic_ns() >= ns_; }

  /// Of CLOCK_MONOTONIC; INT64_MAX for never.
  [[nodiscard]] std::int64_t ns() const noexcept { return ns_; }

  /// For system calls that take an absolute time; a time before the clock's beginning becomes its beginning.
  [[nodiscard]] timespec as_timespec() const noexcept {
    const std::int64_t ns = ns_ < 0 ? 0 : ns_;
    return timespec{static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
  }

  /// The one that passes first.
  [[nodiscard]] friend Deadline earlier(Deadline a, Deadline b) noexcept { return a.ns_ < b.ns_ ? a : b; }

 private:
  static constexpr std::int64_t kNever = INT64_MAX;
  static constexpr std::chrono::nanoseconds kLongest = std::chrono::hours{24 * 365 * 10};
  explicit Deadline(std::int64_t ns) noexcept : ns_(ns) {}
  std::int64_t ns_;
};

}  // namespace sluice::shm
