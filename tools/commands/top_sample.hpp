#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <sluice/graph.hpp>

/// `sluice top`: looks (top_sample.cpp), tables of what two of them differ by (top_table.cpp), a terminal to show them
/// on (terminal.cpp).
namespace sluice::commands {

/// What the kernel says of a process.
struct ProcessUsage {
  std::int64_t cpu_ns = 0;   ///< Since its start, of all its threads.
  std::uint64_t memory = 0;  ///< Resident bytes, shared ones included.
};

/// The domain at one moment.
struct TopLook {
  std::int64_t ns = 0;  ///< Monotonic.
  GraphSnapshot graph;
  std::map<std::string, ProcessUsage> usage;  ///< By record; missing: not known.
};

/// Reads records and /proc; nobody notices. Throws SystemError as read_graph.
[[nodiscard]] TopLook look_at_domain(const DomainSettings& domain);

/// A process between two looks.
struct TopProcess {
  std::int64_t pid = 0;
  std::string name;
  std::vector<std::string> nodes;
  std::optional<double> cpu;            ///< Percent of one core; nothing: not known.
  std::optional<std::uint64_t> memory;  ///< Bytes; nothing: not known.
  Liveliness liveliness{};
};

/// A topic between two looks.
struct TopTopic {
  std::string name;
  std::uint64_t publishers = 0;
  std::uint64_t subscriptions = 0;
  double rate = 0;                        ///< Messages a second: published, or received if no publisher is known.
  double bandwidth = 0;                   ///< Bytes a second, likewise.
  std::optional<std::int64_t> median_ns;  ///< From publication to take; nothing: no sample meanwhile.
  std::optional<std::int64_t> p99_ns;     ///< Likewise.
  std::uint64_t lost = 0;                 ///< Since the subscriptions joined, as the next one.
  std::uint64_t skipped = 0;
  std::uint64_t queued = 0;  ///< Now.
};

/// What happened between two looks.
struct TopFrame {
  double seconds = 0;
  std::vector<TopProcess> processes;  ///< Dead ones too, while their records are there.
  std::vector<TopTopic> topics;
};

[[nodiscard]] TopFrame compare(const TopLook& before, const TopLook& now);

}  // namespace sluice::commands
