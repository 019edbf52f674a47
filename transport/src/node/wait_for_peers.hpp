#pragma once

#include <chrono>

#include <sluice/executor.hpp>
#include <sluice/shm/deadline.hpp>
#include <sluice/shm/sleep.hpp>

namespace sluice::detail {

/// Looks every few milliseconds; peers come and go rarely and this is no hot path.
template <typename Condition>
bool wait_for_peers(Condition condition, std::chrono::nanoseconds timeout) {
  constexpr std::chrono::milliseconds kPeriod{5};
  const shm::Deadline deadline = shm::Deadline::after(timeout);
  while (!condition()) {
    if (deadline.passed() || signal_received() || shm::sleep_cancelled()) return false;
    shm::sleep_for(kPeriod);
  }
  return true;
}

}  // namespace sluice::detail
