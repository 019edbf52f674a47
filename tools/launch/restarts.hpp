#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>

#include "plan.hpp"

namespace sluice::launch {

/// Decides whether and when one process is started anew. One that runs for a while before it ends is started after
/// `delay`; one that ends soon again and again after twice the time as before, up to half a minute, so that a process
/// that cannot work takes neither the processors nor the log.
class Restarts {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// It was started at `started` and ended at `now`: how long to wait. Nothing: it was started anew as often as the
  /// rules allow.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> after_end(const Respawn& rules, Time started, Time now);

  [[nodiscard]] std::size_t count() const noexcept { return count_; }  ///< Since the launch began.

 private:
  std::deque<Time> recent_;  ///< When it was told to start anew, within the window.
  std::size_t quick_ = 0;    ///< Ends in a row that came soon.
  std::size_t count_ = 0;
};

}  // namespace sluice::launch
