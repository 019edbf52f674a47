#pragma once

#include <string>
#include <vector>

namespace sluice::kill_points {

/// The names of all kill points in the sources of the library and its plugins, sorted. Throws std::runtime_error for a
/// name that is used twice: then its count would not say which of the two places was reached.
[[nodiscard]] std::vector<std::string> source_points();

}  // namespace sluice::kill_points
