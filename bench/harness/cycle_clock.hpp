#pragma once

#include <cstdint>

#include <sluice/shm/deadline.hpp>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace sluice::bench {

/// A clock that is cheap enough to be read once per message: on x86-64 the time stamp counter (about 8 ns a reading,
/// where clock_gettime takes 20 to 40), scaled by comparing it with CLOCK_MONOTONIC over the run it is used in.
class CycleClock {
 public:
  CycleClock() noexcept : started_cycles_(now()), started_ns_(shm::monotonic_ns()) {}

  [[nodiscard]] static std::uint64_t now() noexcept {
#if defined(__x86_64__)
    return __rdtsc();
#else
    return static_cast<std::uint64_t>(shm::monotonic_ns());
#endif
  }

  /// Call after the run: the longer it was, the better the scale.
  [[nodiscard]] double ns_per_cycle() const noexcept {
    const auto ns = static_cast<double>(shm::monotonic_ns() - started_ns_);
    return ns / static_cast<double>(now() - started_cycles_);
  }

 private:
  std::uint64_t started_cycles_;
  std::int64_t started_ns_;
};

}  // namespace sluice::bench
