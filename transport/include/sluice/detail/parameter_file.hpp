#pragma once

#include <map>
#include <string>

#include <sluice/config.hpp>
#include <sluice/export.hpp>

namespace sluice::detail {

/// What a file says about the parameters of a node, by name: what `sluice param dump` prints, a ROS 2 parameter file,
/// or a configuration with `nodes`. Throws ConfigError, also when the file has nothing for that node.
[[nodiscard]] SLUICE_EXPORT std::map<std::string, ConfiguredParameter> load_parameter_file(const std::string& path,
                                                                                           const std::string& node);

}  // namespace sluice::detail
