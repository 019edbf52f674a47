#include "commands/observed_topic.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include <sluice/graph.hpp>
#include <sluice/shm/sleep.hpp>

#include "commands/graph_look.hpp"
#include "commands/interrupt.hpp"

namespace sluice::commands {

NamedTopic find_topic(const Config& config, TransportRegistry& transports, const std::string& name) {
  NamedTopic topic;
  topic.spec = config.topic(name.starts_with('/') ? name : "/" + name);
  const std::string directory = config.domain().directory() + "/";
  std::string medium;
  for (const ProcessInfo& process : look_at_graph(config.domain()).processes) {
    for (const EndpointInfo& endpoint : process.endpoints) {
      if (endpoint.topic != topic.spec.name) continue;
      topic.spec.transport = endpoint.transport;
      topic.published = topic.published || endpoint.kind == EndpointKind::publisher;
      medium = endpoint.medium;
    }
  }
  const Transport& transport = transports.get(topic.spec.transport);
  topic.foreign = transport.traits(topic.spec).foreign_peers;
  if (topic.foreign || medium.empty() || medium.starts_with(directory)) return topic;
  // The endpoints may know a configuration that is not known here.
  for (const PluginInfo& plugin : transports.plugins()) {
    if (plugin.name == topic.spec.transport) topic.foreign = plugin.traits.foreign_peers;
  }
  return topic;
}

ObservedTopic::ObservedTopic(const Common& common, const std::string& name, Observed what) {
  const Config config = Config::load_or_environment(common.config_files);
  transports_ = std::make_unique<TransportRegistry>(config.domain().plugin_path);
  const NamedTopic topic = find_topic(config, *transports_, name);
  spec_ = topic.spec;
  reader_ = transports_->get(spec_.transport).open_observer(spec_, {config.domain().directory(), {}}, what);
  if (!topic.published) std::fprintf(stderr, "topic '%s' has no publisher; waiting for one\n", spec_.name.c_str());
}

std::optional<TakenMessage> ObservedTopic::next(shm::Deadline deadline) {
  while (!interrupted()) {
    if (auto message = reader_->take()) return message;
    if (deadline.passed()) break;
    const auto wait = reader_->arm();
    if (!wait) continue;
    const auto pause = std::min<std::chrono::nanoseconds>(wait->at_most, longest_pause_);
    const std::chrono::nanoseconds left{deadline.is_never() ? pause.count() : deadline.ns() - shm::monotonic_ns()};
    shm::sleep_for(std::clamp(left, std::chrono::nanoseconds{1}, pause));
  }
  return std::nullopt;
}

}  // namespace sluice::commands
