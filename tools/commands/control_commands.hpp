#pragma once

#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "commands/commands.hpp"

namespace sluice::commands {

/// `sluice param ...`
void add_param(CLI::App& app, Common& common, std::function<int()>& command);

/// `sluice node shutdown` and `log-level`.
void add_node_control(CLI::App& node, Common& common, std::function<int()>& command);

int param_list(const Common& common, const std::string& node, bool types);
int param_get(const Common& common, const std::string& node, const std::string& name, bool hide_type);
int param_set(const Common& common, const std::string& node, const std::string& name, const std::string& value);
int param_describe(const Common& common, const std::string& node, const std::string& name);
int param_dump(const Common& common, const std::string& node);
int node_shutdown(const Common& common, const std::string& node);
int node_log_level(const Common& common, const std::string& node, const std::string& level);

}  // namespace sluice::commands
