#include "commands/observed_topic.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include <sluice/graph.hpp>
#include <sluice/shm/sleep.hpp>

#include "commands/graph_look.hpp"
#include "commands/interrupt.hpp"

namespace sluice::commands {

namespace {

/// Signals end a sleep, but not one that begins right after them.
constexpr std::chrono::milliseconds kLongestNap{50};

}  // namespace

ObservedTopic::ObservedTopic(const Common& common, const std::string& name, Observed what) {
  const Config config = Config::load_or_environment(common.config_files);
  spec_ = config.topic(name.starts_with('/') ? name : "/" + name);
  bool published = false;
  for (const ProcessInfo& process : look_at_graph(config.domain()).processes) {
    for (const EndpointInfo& endpoint : process.endpoints) {
      if (endpoint.topic != spec_.name) continue;
      spec_.transport = endpoint.transport;
      published = published || endpoint.kind == EndpointKind::publisher;
    }
  }
  transports_ = std::make_unique<TransportRegistry>(config.domain().plugin_path);
  reader_ = transports_->get(spec_.transport).open_observer(spec_, {config.domain().directory(), {}}, what);
  if (!published) std::fprintf(stderr, "topic '%s' has no publisher; waiting for one\n", spec_.name.c_str());
}

std::optional<TakenMessage> ObservedTopic::next(shm::Deadline deadline) {
  while (!interrupted()) {
    if (auto message = reader_->take()) return message;
    if (deadline.passed()) break;
    const auto wait = reader_->arm();
    if (!wait) continue;
    const auto pause = std::min<std::chrono::nanoseconds>(wait->at_most, kLongestNap);
    const std::chrono::nanoseconds left{deadline.is_never() ? pause.count() : deadline.ns() - shm::monotonic_ns()};
    shm::sleep_for(std::clamp(left, std::chrono::nanoseconds{1}, pause));
  }
  return std::nullopt;
}

}  // namespace sluice::commands
