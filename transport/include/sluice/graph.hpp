#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
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
  EndpointKind kind{};                 ///< Which of the counters below mean something.
  std::string node;                    ///< Fully qualified.
  std::string topic;                   ///< Fully qualified.
  std::string type;                    ///< Empty: undeclared bytes.
  std::uint64_t type_size = 0;         ///< Bytes of a type of fixed size; 0: variable.
  std::uint64_t layout_hash = 0;       ///< As in MessageType; 0: not known.
  std::string transport;               ///< The word after `transport:` in YAML.
  std::string medium;                  ///< The file that carries the topic, absolute; empty: none, or not known.
  QoS qos;                             ///< As it was opened.
  std::uint64_t max_size = 0;          ///< Bytes, as it was opened.
  std::string refused;                 ///< Why it could not be opened; empty for one that is open.
  std::uint64_t messages = 0;          ///< Published or received.
  std::uint64_t bytes = 0;             ///< Payload, published or received.
  std::uint64_t lost = 0;              ///< Subscriptions: as in ReaderStats.
  std::uint64_t skipped = 0;           ///< Subscriptions: as in ReaderStats.
  std::uint64_t queued = 0;            ///< Subscriptions: as in ReaderStats.
  std::uint64_t timeouts = 0;          ///< Publications that timed out.
  std::uint64_t deadlines_missed = 0;  ///< Times that no message went through for as long as `deadline` allows.
  LatencyHistogram latency;            ///< Subscriptions: publication to take, sampled.
};

/// How a process is, as far as others can tell.
enum class Liveliness : std::uint8_t {
  alive,  ///< It shows signs of life.
  late,   ///< It is there, but has shown none for its lease: stopped, in a debugger, or hung in a callback.
  lost,   ///< It died without leaving.
  left,   ///< It said goodbye.
};

/// "alive", "late", "lost" or "left".
[[nodiscard]] SLUICE_EXPORT const char* to_string(Liveliness liveliness) noexcept;

/// A process of the domain.
struct ProcessInfo {
  std::int64_t pid = 0;                 ///< In the PID namespace of the process itself.
  std::uint64_t start_time = 0;         ///< As in ProcessIdentity.
  std::uint32_t user = 0;               ///< Who it runs as: the owner of its record.
  std::string executable;               ///< Base name.
  std::string record;                   ///< Path of its record: names the process in all PID namespaces.
  std::int64_t joined_ns = 0;           ///< When, in ns since 1970.
  std::uint64_t pid_namespace = 0;      ///< Inode; 0: not known.
  std::uint64_t heartbeat = 0;          ///< Bumped by the control thread.
  std::uint64_t progress = 0;           ///< Bumped by the executors.
  Liveliness liveliness{};              ///< How it is.
  std::string late_because;             ///< For people; empty unless late.
  std::vector<std::string> nodes;       ///< Fully qualified names.
  std::vector<EndpointInfo> endpoints;  ///< Of all its nodes, those that are open.
  std::vector<EndpointInfo> refused;    ///< Those that could not be opened, the last of each topic.
};

/// What is in a domain now: complete at first look, read from shared memory, also while every process is stopped.
struct GraphSnapshot {
  std::vector<ProcessInfo> processes;  ///< Living ones, sorted by pid.
  std::vector<ProcessInfo> lost;       ///< Dead ones, while their records are still there, sorted by pid.
  std::vector<std::string> problems;   ///< Files that are no usable records, with reasons.
};

/// Something that happened to another process of the domain.
struct GraphEvent {
  /// What happened.
  enum class Kind : std::uint8_t {
    joined,   ///< It is there now.
    changed,  ///< Its nodes or endpoints are others now.
    alive,    ///< It was late, and shows signs of life again.
    late,     ///< See Liveliness.
    lost,     ///< See Liveliness.
    left,     ///< See Liveliness.
  };
  Kind kind{};          ///< For programs.
  ProcessInfo process;  ///< As it is now, or was at last.
};

/// A publisher that a subscription receives from changed its liveliness.
struct LivelinessEvent {
  std::string topic;        ///< Fully qualified.
  std::string node;         ///< The publisher's.
  std::int64_t pid = 0;     ///< The publisher's process.
  Liveliness liveliness{};  ///< What it is now.
  std::string because;      ///< For people; empty where the word says all.
  std::uint32_t alive = 0;  ///< Publishers of the topic that are alive now.
  std::uint32_t late = 0;   ///< Publishers of the topic that are late now.
};

/// A `deadline` passed without a message.
struct DeadlineEvent {
  std::string topic;                    ///< Fully qualified.
  std::chrono::nanoseconds deadline{};  ///< What the topic allows between two messages.
  std::uint64_t total = 0;              ///< Deadlines missed by this endpoint so far.
};

/// Two endpoints of one topic that do not fit together.
struct Mismatch {
  std::string sentence;     ///< What differs, with both values, and what to do.
  bool data_flows = false;  ///< They communicate all the same, but not as one of them expects.
};

/// Whether a publisher and a subscription that name the same topic do not fit together. Of any two processes.
[[nodiscard]] SLUICE_EXPORT std::optional<Mismatch> mismatch(const EndpointInfo& publisher,
                                                             const EndpointInfo& subscription);

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
