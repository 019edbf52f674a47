#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace sluice::commands {

/// A program that uses a topic's file and is no process of the domain.
struct ForeignPeer {
  std::int64_t pid = 0;  ///< Channels: as the peer itself wrote it.
  std::string program;   ///< As /proc/PID/comm says; empty: not known.
  std::string role;      ///< "master" or "slave" of a channel; empty: rings do not tell who publishes.
  std::string state;     ///< Channels: see eshm::RemoteState. Rings: "alive", for it has the file mapped.
};

/// What can be known of a file that programs without Sluice may use, too.
struct ForeignUse {
  std::vector<ForeignPeer> peers;
  bool complete = true;                 ///< False: some processes may not be looked into.
  std::map<std::string, double> rates;  ///< By direction, in messages per second; rings: "elements".
};

/// Looks at a SlickQueue segment or an ESHM channel twice, a fifth of a second apart. `known`: the domain's processes.
/// Nothing: `transport` has no such files, or there is none that could be used.
[[nodiscard]] std::optional<ForeignUse> find_foreign_use(const std::string& transport, const std::string& path,
                                                         const std::set<std::int64_t>& known);

void print(const ForeignUse& use);
[[nodiscard]] nlohmann::json json_of(const ForeignUse& use);

}  // namespace sluice::commands
