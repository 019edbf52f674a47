#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include <sluice/graph.hpp>

namespace sluice::commands {

/// Asks the process through its control socket; the answer, which is ok. Throws Error: it does not answer, or says no.
nlohmann::json ask(const ProcessInfo& process, const std::string& node, nlohmann::json request);

}  // namespace sluice::commands
