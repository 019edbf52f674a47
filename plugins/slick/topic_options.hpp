#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sluice/topic_spec.hpp>

namespace sluice::slick {

/// So many chunks of that size, as `chunks: 16 x 64KiB, 4 x 8MiB` asks for them.
struct ChunkRequest {
  std::uint32_t count = 0;
  std::uint64_t size = 0;
};

/// The slick transport's own options for a Sluice topic, checked and converted.
struct TopicOptions {
  std::chrono::nanoseconds hole_timeout = std::chrono::milliseconds{10};  ///< For a dead or stopped publisher's place.
  std::chrono::nanoseconds stall_timeout = std::chrono::seconds{1};       ///< For that of one that is merely slow.
  std::chrono::nanoseconds evict_after = std::chrono::seconds{5};
  std::optional<std::uint32_t> max_publishers;   ///< 64, or fewer where each costs chunks.
  std::optional<std::uint32_t> max_subscribers;  ///< Likewise.
  std::uint64_t inline_limit = 4096;             ///< Longer payloads travel in chunks.
  std::vector<ChunkRequest> chunks;              ///< By size; empty: as many as can be needed, of max_size.
  std::uint32_t max_loans = 2;
  std::uint32_t max_views = 4;
  std::uint32_t max_groups = 4;
  std::string group;  ///< The work-stealing group that subscriptions of this process join; empty: none.
};

/// Throws ConfigError at the option's place.
[[nodiscard]] TopicOptions parse_topic_options(const TopicSpec& spec);

/// The names of the options above.
[[nodiscard]] const std::vector<std::string>& topic_option_names();

}  // namespace sluice::slick
