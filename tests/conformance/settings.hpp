#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <sluice/qos.hpp>

namespace sluice::conformance {

/// What the command line said, for the runner and for the processes that it starts.
struct Settings {
  std::vector<std::string> command_line;  ///< To start this program again.

  std::string transport;
  std::vector<std::string> plugin_path;
  std::vector<std::pair<std::string, std::string>> options;        ///< Of the topic, as in its YAML.
  std::vector<std::pair<std::string, std::string>> wrong_options;  ///< That the transport has to refuse.
  std::vector<Reliability> reliabilities;                          ///< Empty: whatever the transport offers.
  std::size_t max_size = 4096;
  std::size_t granularity = 1;  ///< Messages are whole multiples of this many bytes.
  std::uint32_t depth = 16;
  std::vector<std::string> remove;  ///< Files to remove after each promise.
  std::vector<std::string> only;    ///< Names of promises; empty: all.
  std::uint32_t patience = 60;      ///< Seconds after which a promise counts as hung.
  bool list = false;

  // For the processes that this program starts.
  std::string here;            ///< The promise to check in this very process.
  std::string directory;       ///< The domain's directory.
  bool evicting = false;       ///< The promise is about evict_after.
  std::uint64_t peer_tag = 0;  ///< Not 0: be the other process of that promise, and publish messages of this tag.
};

/// "{unique}" in options and files to remove becomes a word that differs from promise to promise: transports whose
/// medium has a name of its own (a segment, a channel) need a fresh one each time.
[[nodiscard]] std::string with_unique_word(std::string text, const std::string& directory);

/// Becomes this program, started again with its command line and `more`. Returns only if that fails.
int exec_again(const Settings& settings, const std::vector<std::string>& more);

}  // namespace sluice::conformance
