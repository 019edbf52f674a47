#pragma once

#include "rows/links.hpp"
#include "rows/rows.hpp"

/// Sluice as runs, at the plugin interface.
namespace sluice::bench {

/// Cells of a topic that is measured with messages of this size: deep for small ones, within reason for large ones.
[[nodiscard]] inline std::uint32_t depth_for(std::size_t size) noexcept { return size <= 64 * 1024 ? 256 : 8; }

enum class Waiting { spinning, sleeping };

[[nodiscard]] Outcome topic_latency(Topics::Kind kind, RoundTrips trips, By by, std::size_t size, Waiting waiting);
[[nodiscard]] Outcome topic_throughput(Topics::Kind kind, std::uint64_t messages, std::size_t size);

/// As topic_throughput; both sides handle `batch` messages in one call.
[[nodiscard]] Outcome batch_throughput(Topics::Kind kind, std::uint64_t messages, std::size_t size, std::size_t batch);

}  // namespace sluice::bench
