#pragma once

#include <string>
#include <vector>

namespace sluice::detail {

/// The paths of the files in a domain's directory; none if it does not exist. Throws SystemError when this user may not
/// read it: an empty answer would be a wrong one.
[[nodiscard]] std::vector<std::string> domain_files(const std::string& directory);

}  // namespace sluice::detail
