#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include <sluice/topic_spec.hpp>

#include "slick/topic_layout.hpp"
#include "slick/topic_options.hpp"

namespace sluice::slick {

/// The shape of a topic file. Copied out of the header once it has been checked, so that bytes somebody else changes
/// later cannot lead an access astray.
struct TopicGeometry {
  std::uint64_t capacity = 0;
  std::uint64_t mask = 0;
  std::uint64_t horizon_step = 0;  ///< How far the horizon runs ahead of `reserved`.
  std::uint64_t reach = 0;         ///< reliable: how far it runs ahead of the slowest reader.
  std::uint64_t window = 0;        ///< best_effort: how far behind it a chunk is still needed.
  std::uint64_t cell_stride = 0;
  std::uint64_t max_payload = 0;
  std::uint64_t inline_limit = 0;
  std::uint64_t history = 0;
  std::uint64_t readers_offset = 0;
  std::uint64_t writers_offset = 0;
  std::uint64_t holds_offset = 0;
  std::uint64_t hold_stride = 0;
  std::uint64_t groups_offset = 0;
  std::uint64_t group_stride = 0;
  std::uint64_t ring_offset = 0;
  std::uint64_t chunks_offset = 0;
  std::uint64_t total = 0;
  std::uint32_t max_readers = 0;
  std::uint32_t max_writers = 0;
  std::uint32_t max_views = 0;
  std::uint32_t max_loans = 0;
  std::uint32_t max_groups = 0;
  std::uint32_t chunk_count = 0;
  std::array<ChunkClass, kChunkClasses> chunk_classes{};

  [[nodiscard]] bool has_pool() const noexcept { return chunk_count != 0; }

  /// Positions that a take looks at without finding a message, before it gives up until the next one: more than there
  /// are to skip, unless the words that lead it were written by none of us.
  [[nodiscard]] std::uint64_t patience() const noexcept { return 2 * capacity; }

  /// best_effort: where a reader that was lapped at `position` goes on: well inside what is intact, so that publishers
  /// do not lap it again at once.
  [[nodiscard]] std::uint64_t after_lap(std::uint64_t position, std::uint64_t reserved) const noexcept {
    const std::uint64_t keep = has_pool() ? (window - horizon_step) / 2 : capacity / 2;
    return std::max(position + 1, reserved > keep ? reserved - keep : 0);
  }
};

/// Messages that whoever joins late asks for.
[[nodiscard]] inline std::uint64_t wanted_history(const TopicSpec& spec) noexcept {
  return spec.qos.durability == Durability::transient_local ? spec.qos.history : 0;
}

/// The geometry that a new file for `spec` gets. Throws ConfigError when it would be larger than 2^46 bytes.
[[nodiscard]] TopicGeometry plan_geometry(const TopicSpec& spec, const TopicOptions& options);

/// How the bytes of a file come about, for people.
[[nodiscard]] std::string describe_geometry(const TopicGeometry& geometry);

}  // namespace sluice::slick
