#pragma once

#include <string>

#include <sluice/transport.hpp>

namespace sluice::slick {

/// A Sluice topic as its file says, mapped read-only; or as it would be, while it has none.
[[nodiscard]] TopicReport report_topic(const TopicSpec& spec, const std::string& directory);

/// As above, for a raw topic: whether its segment is there.
[[nodiscard]] TopicReport report_raw(const TopicSpec& spec);

}  // namespace sluice::slick
