#include "commands/plan.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include <sluice/graph.hpp>
#include <sluice/shm/wait_set.hpp>
#include <sluice/transport_registry.hpp>
#include <sluice/units.hpp>

namespace sluice::commands {

namespace {

PlannedTopic plan_topic(const Config& config, TransportRegistry& transports, const std::string& name,
                        std::uint32_t endpoints) {
  PlannedTopic topic;
  topic.spec = config.topic(name);
  transports.check(topic.spec);
  const Transport& transport = transports.get(topic.spec.transport);
  topic.traits = transport.traits(topic.spec);
  topic.footprint = transport.footprint(topic.spec);
  topic.publishers = topic.traits.many_publishers ? endpoints : std::min(endpoints, 1U);
  topic.subscriptions = topic.traits.many_subscribers ? endpoints : std::min(endpoints, 1U);
  return topic;
}

void add_files(Plan& plan, const Footprint& footprint, const std::string& topic) {
  for (const FootprintFile& file : footprint.files) {
    const std::string path = planned_path(plan.directory, file);
    const auto same = [&](const PlannedFile& known) { return known.path == path; };
    if (std::any_of(plan.files.begin(), plan.files.end(), same)) continue;
    struct stat info {};
    const bool exists = ::stat(path.c_str(), &info) == 0;
    plan.files.push_back({path, file.bytes, file.descriptors_per_process, topic, exists});
    plan.bytes += file.bytes;
    plan.new_bytes += exists ? 0 : file.bytes;
    plan.descriptors += file.descriptors_per_process;
  }
}

/// An executor that sleeps on more topics than fit into one call has helpers.
std::uint64_t helpers_of_executor(std::uint64_t subscriptions) {
  if (subscriptions == 0 || !shm::WaitSet::kernel_has_futex_waitv()) return 0;
  return (subscriptions - 1) / shm::WaitSet::kGroup;
}

}  // namespace

std::string planned_path(const std::string& directory, const FootprintFile& file) {
  return file.path.starts_with('/') ? file.path : directory + "/" + file.path;
}

Plan make_plan(const Config& config, const std::vector<std::string>& topics, std::uint32_t endpoints) {
  TransportRegistry transports(config.domain().plugin_path);
  Plan plan;
  plan.directory = config.domain().directory();
  std::map<std::string, std::uint32_t> threads_of_transport;
  std::uint64_t publishers = 0;
  std::uint64_t subscriptions = 0;
  for (const std::string& name : topics) {
    plan.topics.push_back(plan_topic(config, transports, name, endpoints));
    const PlannedTopic& topic = plan.topics.back();
    add_files(plan, topic.footprint, name);
    plan.descriptors += std::uint64_t{topic.publishers} * topic.footprint.descriptors_per_writer +
                        std::uint64_t{topic.subscriptions} * topic.footprint.descriptors_per_reader;
    std::uint32_t& threads = threads_of_transport[topic.spec.transport];
    threads = std::max(threads, topic.footprint.threads_per_process);
    publishers += topic.publishers;
    subscriptions += topic.subscriptions;
  }
  plan.process = process_footprint(1 + publishers + subscriptions);
  add_files(plan, plan.process, "");
  plan.threads = plan.process.threads_per_process + helpers_of_executor(subscriptions);
  for (const auto& [transport, threads] : threads_of_transport) plan.threads += threads;
  return plan;
}

std::string bytes_text(std::uint64_t bytes) {
  std::string exact = std::to_string(bytes) + " bytes";
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return exact;
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  char rounded[32];
  std::snprintf(rounded, sizeof rounded, "%.1f%s", value, kUnits[unit]);
  return exact + " (" + rounded + ")";
}

}  // namespace sluice::commands
