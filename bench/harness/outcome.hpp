#pragma once

#include <cstdint>

namespace sluice::bench {

/// What one run measured. Travels through shared memory, so it is plain data.
struct Outcome {
  double value = 0;  ///< Nanoseconds or million messages per second, of the median part of the run.
  double p50 = 0;    ///< Latency only, from one sample per round trip, in nanoseconds.
  double p99 = 0;
  double p999 = 0;
  std::uint64_t received = 0;  ///< Throughput only.
  std::uint64_t lost = 0;
};

}  // namespace sluice::bench
