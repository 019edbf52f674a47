#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <sluice/config.hpp>
#include <sluice/graph.hpp>

namespace sluice::commands {

/// A topic's file of a format that programs without Sluice use, too.
struct ForeignFile {
  std::string topic;      ///< Fully qualified.
  std::string transport;  ///< "slick" or "eshm".
  std::string path;       ///< Outside of the domain's directory.
  std::string direction;  ///< Of a channel, as configured; empty: not known. Of a ring "elements".
};

/// Those of the topics that the domain's processes have open, and of those that are configured here.
[[nodiscard]] std::vector<ForeignFile> find_foreign_files(const Config& config, const GraphSnapshot& graph);

/// A program that uses a topic's file and is no process of the domain.
struct ForeignPeer {
  std::int64_t pid = 0;         ///< Channels: as the peer itself wrote it.
  std::string program;          ///< As /proc/PID/comm says; empty: not known.
  std::string role;             ///< "master" or "slave" of a channel; empty: rings do not tell who publishes.
  std::string state;            ///< Channels: see eshm::RemoteState. Rings: "alive", for it has the file mapped.
  std::uint64_t heartbeat = 0;  ///< Channels: it moves while the peer lives.
};

/// What was written in one direction of such a file.
struct ForeignCount {
  std::uint64_t written = 0;  ///< Messages since the file was made; rings: elements.
  std::uint64_t bytes = 0;    ///< Of the latest of them; rings: of an element.
};

/// What can be known of such a file at one moment.
struct ForeignLook {
  std::vector<ForeignPeer> peers;
  bool complete = true;                         ///< False: some processes may not be looked into.
  std::map<std::string, ForeignCount> written;  ///< By direction; rings: "elements".
};

/// `known`: the domain's processes. Watches a channel's heartbeats for `watch`, for the peers' state. Nothing: there is
/// no such file. Throws Error when it is none of that format.
[[nodiscard]] std::optional<ForeignLook> look_at_foreign_file(const std::string& transport, const std::string& path,
                                                              const std::set<std::int64_t>& known,
                                                              std::chrono::nanoseconds watch);

/// By direction, in messages per second; rings: in elements. Of what both looks have.
[[nodiscard]] std::map<std::string, double> rates_between(const ForeignLook& before, const ForeignLook& now,
                                                          double seconds);

/// What two looks tell, a fifth of a second apart.
struct ForeignUse {
  ForeignLook look;  ///< The second.
  std::map<std::string, double> rates;
};

/// As look_at_foreign_file; nothing also, and a warning on stderr, where it throws.
[[nodiscard]] std::optional<ForeignUse> find_foreign_use(const std::string& transport, const std::string& path,
                                                         const std::set<std::int64_t>& known);

void print(const ForeignUse& use);
[[nodiscard]] nlohmann::json json_of(const ForeignUse& use);

}  // namespace sluice::commands
