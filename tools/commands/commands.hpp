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

struct NodeListOptions {
  bool count_only = false;
  bool verbose = false;  ///< Process, executable and state of each.
};
int node_list(const Common& common, const NodeListOptions& options);

/// What a node publishes and subscribes to, and how its process is. 1: there is no such node.
int node_info(const Common& common, const std::string& name);

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

struct TopicEchoOptions {
  std::string topic;
  std::string format = "auto";
  std::string layout;       ///< The message's fields, instead of `format`; empty: not known.
  bool packed = false;      ///< No gaps between the layout's fields.
  bool raw = false;         ///< The bytes alone, one message behind the other.
  std::uint64_t count = 0;  ///< Then stop; 0: at Ctrl-C.
  double timeout = 0;       ///< Seconds; 0: for ever.
};

/// Prints what is published, without taking part. 1: nothing was.
int topic_echo(const Common& common, const TopicEchoOptions& options);

struct TopicPubOptions {
  std::string topic;
  std::string data;
  std::string type;
  std::string layout;          ///< The message's fields, and `data` is YAML; empty: not known.
  bool packed = false;         ///< No gaps between the layout's fields.
  bool hex = false;            ///< `data` are hexadecimal digits.
  bool quiet = false;          ///< No line for each message.
  double rate = 1;             ///< Messages a second.
  std::uint64_t count = 0;     ///< Then stop; 0: at Ctrl-C.
  std::uint32_t wait_for = 0;  ///< Subscriptions, before the first message.
};

/// Publishes the same message again and again, as a node of its own.
int topic_pub(const Common& common, const TopicPubOptions& options);

struct TopicWatchOptions {
  std::string topic;
  std::size_t window = 100;   ///< The last messages that count.
  double seconds = 0;         ///< Then stop; 0: at Ctrl-C.
  std::uint64_t reports = 0;  ///< Then stop; 0: at Ctrl-C.
};

/// Prints how often messages come, and how many bytes, once a second, without taking part. 1: none came.
int topic_hz(const Common& common, const TopicWatchOptions& options);
int topic_bw(const Common& common, const TopicWatchOptions& options);

/// Likewise how old they are when they are seen. 1 also: they do not say when they were published.
int topic_delay(const Common& common, const TopicWatchOptions& options);

/// Prints the topics that carry this type. 1: none does.
int topic_find(const Common& common, const std::string& type);

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

/// Whether this machine, its settings and the domain are fit for Sluice. 1: something is not.
int doctor(const Common& common);

/// Why data flows on a topic, or does not, for each publisher and subscription of it. 1: somewhere it does not.
int doctor_topic(const Common& common, const std::string& topic);

int plugin_list(const Common& common);

/// The domain's files, and the SlickQueue segments and ESHM channels of this host.
int shm_list(const Common& common);

/// Removes what dead processes left in the domain, or only says what it would remove.
int shm_clean(const Common& common, bool dry_run);

}  // namespace sluice::commands
