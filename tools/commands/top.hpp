#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "commands/commands.hpp"

namespace sluice::commands {

struct TopOptions {
  std::string period = "1s";  ///< Between two looks.
  std::string sort;           ///< The key of a column; empty: processes by CPU, topics by name.
  std::uint64_t count = 0;    ///< Looks, then stop; 0: at q or Ctrl-C.
  bool batch = false;         ///< Plain tables one behind the other, as also where there is no terminal.
};

/// Prints processes and topics and what they do, again and again, without taking part.
int top(const Common& common, const TopOptions& options);

/// `sluice top ...`
void add_top(CLI::App& app, Common& common, std::function<int()>& command);

}  // namespace sluice::commands
