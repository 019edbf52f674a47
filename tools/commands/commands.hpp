#pragma once

#include <string>
#include <vector>

/// The subcommands of `sluice`. Each prints its answer to stdout and returns the exit code: 0 it is so, 1 it is not (or
/// something was found wrong). What cannot be used throws sluice::Error, which main prints (exit code 2).
namespace sluice::commands {

/// What all subcommands share: which domain, and how to print.
struct Common {
  std::vector<std::string> config_files;
  bool json = false;
};

int node_list(const Common& common, bool count_only);

struct TopicListOptions {
  bool types = false;
  bool verbose = false;
  bool count_only = false;
};
int topic_list(const Common& common, const TopicListOptions& options);

/// Loads the files, resolves every topic in them and asks its transport.
int config_check(const Common& common, const std::vector<std::string>& files);

/// Every resolved value and where it came from.
int config_show(const Common& common, const std::vector<std::string>& files, const std::vector<std::string>& topics);

int plugin_list(const Common& common);

int shm_list(const Common& common);
int shm_clean(const Common& common);

}  // namespace sluice::commands
