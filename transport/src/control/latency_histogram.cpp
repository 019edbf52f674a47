#include <algorithm>
#include <cmath>

#include <sluice/graph.hpp>

namespace sluice {

namespace {

constexpr double kFirstBucketNs = 64.0;

}  // namespace

std::size_t LatencyHistogram::bucket(std::int64_t ns) noexcept {
  if (ns <= static_cast<std::int64_t>(kFirstBucketNs)) return 0;
  const double bucket = 2.0 * std::log2(static_cast<double>(ns) / kFirstBucketNs);
  return std::min(static_cast<std::size_t>(bucket), kBuckets - 1);
}

std::uint64_t LatencyHistogram::total() const noexcept {
  std::uint64_t sum = 0;
  for (const std::uint32_t count : counts) sum += count;
  return sum;
}

std::int64_t LatencyHistogram::percentile(double share) const noexcept {
  const double wanted = share * static_cast<double>(total());
  std::uint64_t sum = 0;
  for (std::size_t b = 0; b < kBuckets; ++b) {
    sum += counts[b];
    if (sum > 0 && static_cast<double>(sum) >= wanted) {
      return static_cast<std::int64_t>(kFirstBucketNs * std::exp2(static_cast<double>(b + 1) / 2.0));
    }
  }
  return 0;
}

LatencyHistogram LatencyHistogram::since(const LatencyHistogram& earlier) const noexcept {
  LatencyHistogram result;
  for (std::size_t b = 0; b < kBuckets; ++b) result.counts[b] = counts[b] - earlier.counts[b];
  return result;
}

}  // namespace sluice
