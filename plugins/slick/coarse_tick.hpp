#pragma once

#include <cstdint>
#include <utility>

#include <sluice/shm/deadline.hpp>

namespace sluice::slick {

/// Looking around costs the publishers a cache line, so a polling reader looks once in a tick of the coarse clock:
/// spinning or polling rarely, it finds a hole in time.
class CoarseTick {
 public:
  /// Whether this is the first call in this tick.
  [[nodiscard]] bool is_new() noexcept {
    const std::int64_t tick = shm::monotonic_coarse_ns();
    return std::exchange(last_ns_, tick) != tick;
  }

  /// The next call is the first one, whatever the clock says.
  void forget() noexcept { last_ns_ = 0; }

 private:
  std::int64_t last_ns_ = 0;
};

}  // namespace sluice::slick
