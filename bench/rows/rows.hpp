#pragma once

#include <cstdint>
#include <vector>

#include "harness/report.hpp"
#include "harness/traffic.hpp"

namespace sluice::bench {

/// How much work a run is. --quick takes a tenth of it: enough to see that everything runs.
struct Effort {
  std::uint64_t divisor = 1;
  [[nodiscard]] std::uint64_t of(std::uint64_t count) const noexcept {
    return std::max<std::uint64_t>(1, count / divisor);
  }
  [[nodiscard]] RoundTrips round_trips(std::uint64_t timed) const noexcept {
    return {of(timed) / 10 + 1, of(timed), of(timed) / 4 + 1};
  }
};

using Rows = std::vector<Row>;

void add_latency_rows(Rows& rows, Effort effort);     // rows/latency.cpp
void add_size_rows(Rows& rows, Effort effort);        // rows/latency.cpp
void add_throughput_rows(Rows& rows, Effort effort);  // rows/throughput.cpp
void add_blocked_rows(Rows& rows, Effort effort);     // rows/blocked.cpp
void add_node_rows(Rows& rows, Effort effort);        // rows/node.cpp
void add_channel_rows(Rows& rows, Effort effort);     // rows/channels.cpp
void add_waiting_rows(Rows& rows, Effort effort);     // rows/waiting.cpp
void add_peer_rows(Rows& rows, Effort effort);        // rows/peers.cpp
void add_memory_rows(Rows& rows, Effort effort);      // rows/memory.cpp
void add_view_rows(Rows& rows, Effort effort);        // rows/views.cpp

}  // namespace sluice::bench
