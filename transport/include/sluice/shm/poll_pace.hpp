#pragma once

#include <chrono>
#include <cstdint>

namespace sluice::shm {

// Looking twice as often as promised keeps the promise (1 ms within 100 ms of traffic, 10 ms at rest) when the
// scheduler is late.

/// How often to look at memory whose writers ring for nobody, while there is traffic.
inline constexpr std::chrono::nanoseconds kBusyPoll = std::chrono::microseconds{500};

/// The same, at rest.
inline constexpr std::chrono::nanoseconds kRestPoll = std::chrono::milliseconds{5};

/// How long after a message there is traffic.
inline constexpr std::chrono::nanoseconds kBusyFor = std::chrono::milliseconds{100};

/// The time until the next look; times of CLOCK_MONOTONIC.
[[nodiscard]] constexpr std::chrono::nanoseconds poll_period(std::int64_t now_ns,
                                                             std::int64_t last_traffic_ns) noexcept {
  return now_ns - last_traffic_ns < kBusyFor.count() ? kBusyPoll : kRestPoll;
}

}  // namespace sluice::shm
