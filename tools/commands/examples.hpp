#pragma once

#include <CLI/CLI.hpp>

namespace sluice::commands {

/// Ends the help of every command with examples; that of a group with the first of each of its commands.
void add_examples(CLI::App& app);

}  // namespace sluice::commands
