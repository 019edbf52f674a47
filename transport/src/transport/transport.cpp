#include <sluice/transport.hpp>

namespace sluice {

Writer::~Writer() = default;
Reader::~Reader() = default;
Transport::~Transport() = default;

BatchResult Writer::publish_batch(std::span<const std::span<const std::byte>> payloads,
                                  std::int64_t published_ns) noexcept {
  BatchResult batch;
  for (const auto payload : payloads) {
    batch.result = publish_copy(payload, published_ns);
    if (batch.result != PublishResult::ok) break;
    ++batch.sent;
  }
  return batch;
}

std::string Writer::explain(PublishResult result, std::size_t bytes) const {
  switch (result) {
    case PublishResult::ok: return "sent";
    case PublishResult::timeout:
      return "no room within max_blocking_time: a subscription is slower than its publishers; nothing was sent";
    case PublishResult::too_large:
      return "a message of " + std::to_string(bytes) + " bytes is longer than max_size; raise it in the topic's YAML";
    case PublishResult::wrong_size:
      return "a message of " + std::to_string(bytes) + " bytes is not a whole number of elements; nothing was sent";
    case PublishResult::uncertain:
      return "this process was stopped in the middle of publishing: subscriptions may or may not have the message";
    case PublishResult::out_of_chunks: return "every loan that this publisher may hold is out; publish or drop one";
    case PublishResult::own_subscription_full:
      return "it is full for a subscription that this very thread takes from: waiting would wait for itself; take "
             "first, or raise depth";
  }
  return "unknown result";
}

std::size_t Reader::take_batch(std::span<TakenMessage> out) noexcept {
  std::size_t count = 0;
  for (; count < out.size(); ++count) {
    auto taken = take();
    if (!taken) break;
    out[count] = *taken;
  }
  return count;
}

std::vector<std::string> trait_names(const TransportTraits& traits) {
  std::vector<std::string> names;
  const auto add = [&](bool there, const char* name) {
    if (there) names.emplace_back(name);
  };
  add(traits.zero_copy, "zero_copy");
  add(traits.reliable, "reliable");
  add(traits.many_publishers, "many_publishers");
  add(traits.many_subscribers, "many_subscribers");
  add(traits.latest_value, "latest_value");
  add(traits.foreign_peers, "foreign_peers");
  add(traits.between_processes, "between_processes");
  add(traits.transient_local, "transient_local");
  return names;
}

std::unique_ptr<Reader> Transport::open_observer(const TopicSpec& spec, const TransportContext& /*context*/,
                                                 Observed /*what*/) {
  throw ConfigError(spec.origin("transport"), "topic '" + spec.name + "': transport '" + spec.transport +
                                                  "' cannot be observed without taking part; subscribe instead");
}

Footprint Transport::footprint(const TopicSpec& /*spec*/) const { return {}; }

std::size_t Transport::remove_leftovers(const TransportContext& /*context*/) { return 0; }

TopicReport Transport::inspect(const TopicSpec& spec, const TransportContext& /*context*/) const {
  return {.exists = false, .qos = spec.qos, .max_size = spec.max_size, .copies = {}, .chunks = {}};
}

}  // namespace sluice
