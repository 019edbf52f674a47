#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sluice/config.hpp>
#include <sluice/transport.hpp>

namespace sluice::commands {

/// Open in every process: stdin, stdout and stderr.
inline constexpr std::uint64_t kStandardStreams = 3;

/// A topic, and what one process has of it.
struct PlannedTopic {
  TopicSpec spec;
  TransportTraits traits;
  Footprint footprint;
  std::uint32_t publishers = 0;
  std::uint32_t subscriptions = 0;

  /// Whether the transport says what it takes; one that is not shipped may not.
  [[nodiscard]] bool told() const { return !footprint.files.empty() || !footprint.detail.empty(); }
};

/// A file of the plan; it is listed once, however many topics share it.
struct PlannedFile {
  std::string path;  ///< Absolute.
  std::uint64_t bytes = 0;
  std::uint32_t descriptors_per_process = 0;
  std::string topic;    ///< The first that names it; empty: a process's record.
  bool exists = false;  ///< What it takes is taken already.
};

/// What a configuration takes: all topics at once, and one process that has an endpoint of each.
struct Plan {
  std::string directory;  ///< The domain's.
  std::vector<PlannedTopic> topics;
  Footprint process;               ///< Of the process itself.
  std::vector<PlannedFile> files;  ///< Of the topics, then the process's record.
  std::uint64_t bytes = 0;         ///< Of all files.
  std::uint64_t new_bytes = 0;     ///< Of those that do not exist yet.
  std::uint64_t descriptors = 0;   ///< Of the process.
  std::uint64_t threads = 0;       ///< Of the process, beside its own.
};

/// `endpoints`: publishers, and as many subscriptions, of each topic in the process; one where a topic allows one only.
[[nodiscard]] Plan make_plan(const Config& config, const std::vector<std::string>& topics, std::uint32_t endpoints);

/// The path of a footprint's file in a domain.
[[nodiscard]] std::string planned_path(const std::string& directory, const FootprintFile& file);

/// Something that there is only so much of.
struct PlannedLimit {
  std::string unit;        ///< "bytes", "files", "descriptors".
  std::string limited_by;  ///< "/dev/shm (67108864 bytes in all)".
  std::uint64_t needed = 0;
  std::uint64_t free = 0;
  std::string problem;  ///< Empty: there is enough. Otherwise a sentence: what is needed, what is there, what to do.
};

/// File systems, the control group's memory and this process's own limits; those that are set.
[[nodiscard]] std::vector<PlannedLimit> limits_of(const Plan& plan);

/// Where a file will be made: its directory, or the nearest one above that exists.
[[nodiscard]] std::string existing_directory(const std::string& path);

/// "1126400 bytes (1.1MiB)".
[[nodiscard]] std::string bytes_text(std::uint64_t bytes);

}  // namespace sluice::commands
