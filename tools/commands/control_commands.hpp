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

struct ParamListOptions {
  std::string node;    ///< Only of this node; empty: of all.
  std::string filter;  ///< Only parameters in whose name this regular expression is found.
  bool types = false;
};
int param_list(const Common& common, const ParamListOptions& options);
int param_get(const Common& common, const std::string& node, const std::string& name, bool hide_type);
int param_set(const Common& common, const std::string& node, const std::string& name, const std::string& value);
int param_describe(const Common& common, const std::string& node, const std::string& name);
int param_dump(const Common& common, const std::string& node);

/// Sets what `file` says about the node. 1: something was refused; the rest is set nevertheless.
int param_load(const Common& common, const std::string& node, const std::string& file);
int node_shutdown(const Common& common, const std::string& node);
int node_log_level(const Common& common, const std::string& node, const std::string& level);

}  // namespace sluice::commands
