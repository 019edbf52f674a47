#pragma once

#include <cstdint>
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

struct TopicInfoOptions {
  std::string topic;
  bool verbose = false;
};

/// What carries a topic, who has it open, and how often a message is copied. 1: nobody has it open.
int topic_info(const Common& common, const TopicInfoOptions& options);

/// Loads the files, resolves every topic in them and asks its transport.
int config_check(const Common& common, const std::vector<std::string>& files);

/// Every resolved value and where it came from.
int config_show(const Common& common, const std::vector<std::string>& files, const std::vector<std::string>& topics);

struct ConfigPlanOptions {
  std::vector<std::string> files;
  std::vector<std::string> topics;  ///< Only these; empty: all that the files name.
  std::uint32_t endpoints = 1;      ///< Publishers, and as many subscriptions, of each topic in one process.
};

/// What the topics take of shared memory, descriptors and threads, and what there is. 1: there is not enough.
int config_plan(const Common& common, const ConfigPlanOptions& options);

int plugin_list(const Common& common);

int shm_list(const Common& common);
int shm_clean(const Common& common);

}  // namespace sluice::commands
