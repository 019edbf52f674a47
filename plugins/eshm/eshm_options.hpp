#pragma once

#include <chrono>
#include <optional>
#include <string>

#include <sluice/eshm/segment.hpp>
#include <sluice/topic_spec.hpp>
#include <sluice/transport.hpp>

namespace sluice::eshm {

/// A topic's own options, checked.
struct EshmOptions {
  std::string topic;                           ///< Fully qualified name, for messages.
  SegmentRequest request;                      ///< Name, sizes and rights of the channel.
  Side writer = Side::master;                  ///< Whose mailbox the topic is.
  std::chrono::milliseconds stale_after{100};  ///< A heartbeat that stood still for this long is stale.
  bool current_first = false;                  ///< transient_local: a reader first receives what is there.
};

/// Throws ConfigError.
[[nodiscard]] EshmOptions parse_eshm_options(const TopicSpec& spec);

/// As parse_eshm_options, with the rights that the domain gives where the topic says nothing.
[[nodiscard]] EshmOptions eshm_options(const TopicSpec& spec, const TransportContext& context);

}  // namespace sluice::eshm
