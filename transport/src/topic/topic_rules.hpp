#pragma once

#include <sluice/topic_spec.hpp>

#include <string_view>

namespace sluice::detail {

/// Refuses settings of one entry that no other entry can make right. Throws ConfigError naming both places.
/// `what` names the entry: "topic '/camera/**'".
void check_contradictions(const TopicSpec& spec, std::string_view what);

/// As check_contradictions, and refuses what is missing: for the settings of a topic once they are complete.
void check_complete(const TopicSpec& spec, std::string_view what);

}  // namespace sluice::detail
