#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <sluice/graph.hpp>

#include "commands/foreign_peers.hpp"

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

  /// A topic's file that programs without Sluice may share.
  struct Foreign {
    ForeignFile file;
    ForeignLook look;
  };
  std::vector<Foreign> foreign;
  std::map<std::int64_t, ProcessUsage> foreign_usage;  ///< Of their peers, by process number.
};

/// Reads records, headers of foreign files and /proc; nobody notices. What cannot be read of a foreign file is added to
/// the graph's problems. Throws SystemError as read_graph.
[[nodiscard]] TopLook look_at_domain(const Config& config);

/// A process between two looks.
struct TopProcess {
  std::int64_t pid = 0;
  std::string name;
  std::vector<std::string> nodes;       ///< Of a foreign process: the topics whose files it uses.
  std::optional<double> cpu;            ///< Percent of one core; nothing: not known.
  std::optional<std::uint64_t> memory;  ///< Bytes; nothing: not known.
  Liveliness liveliness{};
  bool foreign = false;  ///< Not of the domain: it uses the file of a topic, without Sluice.
};

/// A topic between two looks.
struct TopTopic {
  std::string name;
  std::uint64_t publishers = 0;
  std::uint64_t subscriptions = 0;
  double rate = 0;                        ///< Messages a second: published, or what the topic's foreign file counts,
                                          ///< or received if neither is known.
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
