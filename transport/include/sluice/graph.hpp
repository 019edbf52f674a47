#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <sluice/config.hpp>
#include <sluice/export.hpp>
#include <sluice/qos.hpp>
#include <sluice/transport.hpp>

namespace sluice {

/// Counts of latencies by half octaves: bucket b holds [64 ns * 2^(b/2), 64 ns * 2^((b+1)/2)).
struct SLUICE_EXPORT LatencyHistogram {
  static constexpr std::size_t kBuckets = 56;    ///< Up to 17 s; the last one holds everything longer.
  std::array<std::uint32_t, kBuckets> counts{};  ///< Samples in each bucket; they wrap around at 2^32.

  /// The bucket that counts a latency of `ns`.
  [[nodiscard]] static std::size_t bucket(std::int64_t ns) noexcept;

  /// The upper edge, in ns, of the bucket that holds the given share (0..1) of all; 0 when there are none.
  [[nodiscard]] std::int64_t percentile(double share) const noexcept;

  /// How many samples there are.
  [[nodiscard]] std::uint64_t total() const noexcept;

  /// What was counted since `earlier`.
  [[nodiscard]] LatencyHistogram since(const LatencyHistogram& earlier) const noexcept;
};

/// The two sides of a topic.
enum class EndpointKind : std::uint8_t { publisher, subscription };

/// A publisher or a subscription of some process, as its record in shared memory says.
struct EndpointInfo {
  EndpointKind kind{};         ///< Which of the counters below mean something.
  std::string node;            ///< Fully qualified.
  std::string topic;           ///< Fully qualified.
  std::string type;            ///< Empty: undeclared bytes.
  std::string transport;       ///< The word after `transport:` in YAML.
  Reliability reliability{};   ///< As it was opened.
  std::uint32_t depth = 0;     ///< Messages, as it was opened.
  std::uint64_t messages = 0;  ///< Published or received.
  std::uint64_t bytes = 0;     ///< Payload, published or received.
  std::uint64_t lost = 0;      ///< Subscriptions: as in ReaderStats.
  std::uint64_t skipped = 0;   ///< Subscriptions: as in ReaderStats.
  std::uint64_t queued = 0;    ///< Subscriptions: as in ReaderStats.
  std::uint64_t timeouts = 0;  ///< Publications that timed out.
  LatencyHistogram latency;    ///< Subscriptions: publication to take, sampled.
};

/// A process of the domain.
struct ProcessInfo {
  std::int64_t pid = 0;                 ///< In the PID namespace of the process itself.
  std::string executable;               ///< Base name.
  std::uint64_t heartbeat = 0;          ///< Bumped by the control thread.
  std::uint64_t progress = 0;           ///< Bumped by the executor.
  std::vector<std::string> nodes;       ///< Fully qualified names.
  std::vector<EndpointInfo> endpoints;  ///< Of all its nodes.
};

/// What is in a domain now: complete at first look, read from shared memory, also while every process is stopped.
struct GraphSnapshot {
  std::vector<ProcessInfo> processes;  ///< Living ones, sorted by pid.
  std::vector<std::string> problems;   ///< Files that are no usable records, with reasons.
};

/// Reads the graph. Disturbs nobody and needs no process of its own in the domain. Throws SystemError when this user
/// may not read the domain's directory.
[[nodiscard]] SLUICE_EXPORT GraphSnapshot read_graph(const DomainSettings& domain);

/// What a process with `entries` nodes, publishers and subscriptions takes in a domain beside what its topics take:
/// its record and the control thread.
[[nodiscard]] SLUICE_EXPORT Footprint process_footprint(std::size_t entries);

/// Removes what dead processes left in the domain's directory, and the directory itself when it is empty. How many
/// files.
SLUICE_EXPORT std::size_t remove_leftovers(const Config& config);

}  // namespace sluice
