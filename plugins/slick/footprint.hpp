#pragma once

#include <sluice/transport.hpp>

namespace sluice::slick {

/// What a Sluice topic takes.
[[nodiscard]] Footprint topic_footprint(const TopicSpec& spec);

/// What a raw topic takes: the segment, its companion, and the group's cursor.
[[nodiscard]] Footprint raw_footprint(const TopicSpec& spec);

}  // namespace sluice::slick
