#pragma once

#include <functional>
#include <string>

#include <CLI/CLI.hpp>

namespace sluice::commands {

/// `sluice completion bash|zsh`. `app` is what the scripts complete, itself included.
void add_completion(CLI::App& app, std::function<int()>& command);

/// What the scripts of both shells know of the command line: functions that print the subcommands, flags and kinds of
/// arguments of a command, and one that asks `sluice` for the names that there are now.
[[nodiscard]] std::string completion_tables(const CLI::App& app);

}  // namespace sluice::commands
