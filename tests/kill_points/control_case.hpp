#pragma once

#include <string>

#include "kill_points/scenarios.hpp"
#include "kill_points/topic_case.hpp"

namespace sluice::kill_points {

/// One domain, a node that nobody touches, and nodes that come and go until their process dies or stops at one point.
/// Whoever asks for the graph meanwhile sees the untouched node, the stopped at most, and never the dead.
[[nodiscard]] Outcome run_control_case(const ControlTarget& target, std::uint64_t hit, Fate fate);

}  // namespace sluice::kill_points
