#pragma once

#include "commands/top_sample.hpp"

namespace sluice::commands {

/// Adds what programs without Sluice did between two looks: to the topics whose files they share, and as processes.
void add_foreign(TopFrame& frame, const TopLook& before, const TopLook& now);

}  // namespace sluice::commands
