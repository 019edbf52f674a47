#include "commands/json_output.hpp"

#include <iostream>

#include <nlohmann/json.hpp>

namespace sluice::commands {

void print_json(const nlohmann::json& value) {
  std::cout << value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

}  // namespace sluice::commands
