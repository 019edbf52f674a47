#pragma once

#include "harness/traffic.hpp"
#include "limits/cell_ring.hpp"

/// The limit loops as runs.
namespace sluice::bench {

[[nodiscard]] Outcome line_latency(RoundTrips trips, Placement placement = Placement::processes);
[[nodiscard]] Outcome futex_latency(RoundTrips trips, Placement placement = Placement::processes);
[[nodiscard]] Outcome cell_ring_latency(RoundTrips trips, By by, std::size_t size, std::uint64_t depth);
[[nodiscard]] Outcome slot_ring_latency(RoundTrips trips, std::size_t size, std::uint64_t depth);
[[nodiscard]] Outcome mailbox_latency(RoundTrips trips, std::size_t size);
[[nodiscard]] Outcome pointer_ring_latency(RoundTrips trips, By by, std::size_t size, std::uint64_t depth);

[[nodiscard]] Outcome cell_ring_throughput(limits::CellRingVariant variant, std::uint64_t messages, std::size_t size,
                                           std::uint64_t depth);
[[nodiscard]] Outcome paced_slot_ring_throughput(std::uint64_t messages, std::size_t size, std::uint64_t depth);
[[nodiscard]] Outcome pointer_ring_throughput(std::uint64_t messages, std::size_t size, std::uint64_t depth);

}  // namespace sluice::bench
