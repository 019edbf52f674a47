#include "commands/observed_topic.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include <sluice/graph.hpp>
#include <sluice/shm/sleep.hpp>
#include <sluice/slick/inspect.hpp>

#include "commands/graph_look.hpp"
#include "commands/interrupt.hpp"

namespace sluice::commands {

namespace {

/// Completes what only the endpoints' configuration says of a topic whose file is `medium`.
void complete_foreign(TopicSpec& spec, const std::string& medium) {
  if (spec.transport == "slick" && !spec.options.contains("segment")) {
    const std::string name = medium.substr(medium.rfind('/') + 1);
    spec.options["segment"].value = name;
    spec.options["element"].value = std::to_string(slick::inspect_segment(name).element_size);
  } else if (spec.transport == "eshm" && !spec.options.contains("channel")) {
    throw Error("topic '" + spec.name + "' is one of the two directions of channel '" + medium +
                "', and only its configuration says which; give --config FILE, or export SLUICE_CONFIG");
  }
}

/// Where nobody of the domain publishes.
std::string why_nothing_may_come(const NamedTopic& topic, bool exists) {
  if (!topic.foreign) return "has no publisher; waiting for one";
  if (!exists) return "does not exist yet; waiting for a publisher, or for a program without Sluice";
  return "has no publisher in this domain; waiting for what programs without Sluice write";
}

}  // namespace

NamedTopic find_topic(const Config& config, TransportRegistry& transports, const std::string& name) {
  NamedTopic topic;
  topic.spec = config.topic(name.starts_with('/') ? name : "/" + name);
  const std::string directory = config.domain().directory() + "/";
  for (const ProcessInfo& process : look_at_graph(config.domain()).processes) {
    for (const EndpointInfo& endpoint : process.endpoints) {
      if (endpoint.topic != topic.spec.name) continue;
      topic.spec.transport = endpoint.transport;
      topic.published = topic.published || endpoint.kind == EndpointKind::publisher;
      topic.medium = endpoint.medium;
    }
  }
  const Transport& transport = transports.get(topic.spec.transport);
  topic.foreign = transport.traits(topic.spec).foreign_peers;
  if (topic.foreign || topic.medium.empty() || topic.medium.starts_with(directory)) return topic;
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
  if (topic.foreign) complete_foreign(spec_, topic.medium);
  Transport& transport = transports_->get(spec_.transport);
  const TransportContext context{config.domain().directory(), {}};
  reader_ = transport.open_observer(spec_, context, what);
  unit_ = topic.foreign && spec_.transport == "slick" ? "elements" : "messages";
  if (topic.published) return;
  const std::string why = why_nothing_may_come(topic, topic.foreign && transport.inspect(spec_, context).exists);
  std::fprintf(stderr, "topic '%s' %s\n", spec_.name.c_str(), why.c_str());
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
