#pragma once

#include <functional>

#include <CLI/CLI.hpp>

#include "commands/commands.hpp"

namespace sluice::commands {

/// Adds `eshm` and what is below it to the command line; parsing sets `command`.
void add_eshm(CLI::App& app, Common& common, std::function<int()>& command);

}  // namespace sluice::commands
