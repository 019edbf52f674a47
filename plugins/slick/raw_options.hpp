#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <sluice/slick/segment.hpp>
#include <sluice/transport.hpp>

#include "slick/topic_file.hpp"

namespace sluice::slick {

/// The options of a raw topic, checked and converted.
struct RawOptions {
  SegmentRequest request;
  std::chrono::nanoseconds hole_timeout = std::chrono::milliseconds{100};
  std::optional<std::uint32_t> mode;  ///< Of a segment that is created; none: the domain's.
  std::string group;                  ///< Name of the 8-byte object that a work-stealing group shares; empty: no group.
  TopicOptions topic;                 ///< What is as on Sluice topics: stall_timeout, evict_after, places.
};

/// Whether this topic is a raw one (`segment:` is set).
[[nodiscard]] bool is_raw(const TopicSpec& spec);

/// Throws ConfigError at the option's place.
[[nodiscard]] RawOptions parse_raw_options(const TopicSpec& spec);

}  // namespace sluice::slick
