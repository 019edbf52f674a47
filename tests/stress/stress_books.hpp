#pragma once

#include "stress/stress_support.hpp"

namespace sluice::stress {

/// What reader `k` took, against the logs of writers 0 to `writers` - 1. `finished`: it was not killed, so its books
/// are closed.
void check_reader(Verdict& verdict, const Place& place, std::uint32_t k, std::uint32_t writers, bool finished);

struct SurvivorBooks {
  std::uint64_t granted = 0;
  std::uint64_t received = 0;
  std::uint64_t lost = 0;
  std::uint64_t skipped = 0;
  std::uint64_t certain = 0;   ///< Messages that the publishers were told were sent.
  std::uint64_t possible = 0;  ///< Those, the uncertain ones, and the one that each killed publisher had in flight.
};

/// Reader 0, which was there before the first message and was never touched, against the logs of all publishers.
SurvivorBooks check_survivor(Verdict& verdict, const Place& place, std::uint32_t writers);

/// Waits until writer 0 and reader 0 have both gone on for more than some laps of a small ring. False: the watchdog.
[[nodiscard]] bool survivors_get_on(const Place& place);

}  // namespace sluice::stress
