#pragma once

#include <string>
#include <utility>
#include <vector>

namespace sluice::bench {

/// What figures of this machine depend on, as (what, value); what cannot be read is left out.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> describe_machine();

}  // namespace sluice::bench
