#pragma once

#include <sluice/graph.hpp>

#include "commands/commands.hpp"

namespace sluice::commands {

/// The graph of the domain that is meant; what cannot be read of it is warned about.
[[nodiscard]] GraphSnapshot look_at_graph(const DomainSettings& domain);

}  // namespace sluice::commands
