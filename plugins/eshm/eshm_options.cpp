#include "eshm/eshm_options.hpp"

#include <sluice/error.hpp>
#include <sluice/transport_options.hpp>
#include <sluice/units.hpp>

namespace sluice::eshm {

namespace {

Side parse_direction(const OptionReader& reader) {
  const std::string direction = reader.text("direction");
  if (direction == "master_to_slave") return Side::master;
  if (direction == "slave_to_master") return Side::slave;
  reader.refuse("direction", "'" + direction +
                                 "' is no direction of a channel; write master_to_slave or slave_to_master" +
                                 did_you_mean(direction, {"master_to_slave", "slave_to_master"}));
}

Protocol parse_protocol(const OptionReader& reader) {
  return Protocol{reader.number("protocol", static_cast<std::uint32_t>(Protocol::v3), 2, 3)};
}

std::chrono::milliseconds parse_stale_after(const OptionReader& reader, std::chrono::milliseconds otherwise) {
  const auto threshold = reader.duration("stale_after", otherwise);
  const auto in_ms = std::chrono::duration_cast<std::chrono::milliseconds>(threshold);
  if (in_ms.count() < 10 || in_ms > std::chrono::hours{1}) {
    reader.refuse("stale_after", format_duration(threshold) + " is not between 10ms and 1h");
  }
  return in_ms;
}

/// What a mailbox cannot do is refused where somebody asked for it in so many words.
void refuse_queues(const OptionReader& reader, const TopicSpec& spec) {
  if (spec.origins.count("depth") != 0 && spec.qos.depth != 1) {
    reader.refuse("depth", "a channel keeps the latest message only, not " + std::to_string(spec.qos.depth) +
                               "; write depth: 1 for this topic, or use transport: slick");
  }
  if (spec.qos.durability == Durability::transient_local && spec.qos.history > 1) {
    reader.refuse("history", "a channel keeps the latest message only, not " + std::to_string(spec.qos.history) +
                                 "; set history: 1, or use transport: slick");
  }
}

}  // namespace

EshmOptions parse_eshm_options(const TopicSpec& spec) {
  const OptionReader reader(spec);
  if (!reader.has("channel")) {
    reader.refuse("transport", "eshm needs 'channel', the name that both sides share, e.g. 'channel: robot'");
  }
  if (!reader.has("direction")) {
    reader.refuse("channel",
                  "a channel has two mailboxes; choose with 'direction: master_to_slave' or 'direction: "
                  "slave_to_master'");
  }
  EshmOptions options;
  options.topic = spec.name;
  options.request.name = reader.text("channel");
  if (options.request.name.empty()) reader.refuse("channel", "is empty; a channel needs a name");
  options.request.max_size = spec.max_size;
  options.request.protocol = parse_protocol(reader);
  options.request.patience = std::chrono::milliseconds{500};
  options.writer = parse_direction(reader);
  options.stale_after = parse_stale_after(reader, options.stale_after);
  options.request.stale_threshold_ms = static_cast<std::uint32_t>(options.stale_after.count());
  if (const auto mode = reader.file_mode("mode")) options.request.access.mode = *mode;
  refuse_queues(reader, spec);
  options.current_first = spec.qos.durability == Durability::transient_local;
  return options;
}

EshmOptions eshm_options(const TopicSpec& spec, const TransportContext& context) {
  EshmOptions options = parse_eshm_options(spec);
  const bool own_mode = spec.options.count("mode") != 0;
  options.request.access = {own_mode ? options.request.access.mode : context.access.mode, context.access.group};
  return options;
}

}  // namespace sluice::eshm
