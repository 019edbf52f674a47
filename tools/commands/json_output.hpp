#pragma once

#include <nlohmann/json_fwd.hpp>

namespace sluice::commands {

/// For people and programs: two spaces a level, a newline at the end; what is no UTF-8 is replaced.
void print_json(const nlohmann::json& value);

}  // namespace sluice::commands
