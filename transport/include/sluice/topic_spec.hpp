#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <sluice/error.hpp>
#include <sluice/qos.hpp>

namespace sluice {

/// What a message is, as far as a transport needs to know.
struct MessageType {
  std::string name;              ///< "demo/Imu"; empty: bytes whose type nobody declared, compatible with all.
  std::uint32_t fixed_size = 0;  ///< sizeof of a fixed type; 0: variable size, up to TopicSpec::max_size.

  /// Of the fields' names, types and places, for who has a description of them: messages of one name and of another
  /// layout are refused. 0: not known, compatible with all.
  std::uint64_t layout_hash = 0;
};

/// The settings that every topic has, whatever carries it, as YAML spells them. Every other key of a topic is an option
/// of its transport.
inline constexpr std::array<std::string_view, 11> kTopicSettings{
    "type",       "transport", "max_size", "timestamps", "reliability",      "depth",
    "durability", "history",   "deadline", "liveliness", "max_blocking_time"};

/// A setting that only one transport understands, e.g. `segment: /ticks`.
struct TransportOption {
  std::string value;  ///< As written; the transport reads it with an OptionReader.
  Origin origin;      ///< For errors.
};

/// Everything that is needed to open one topic: the resolved YAML, with the place each value came from.
struct TopicSpec {
  std::string name;                                ///< Fully qualified, "/imu/raw".
  MessageType type;                                ///< What both sides must agree on.
  std::string transport = "slick";                 ///< The name of its plugin.
  QoS qos;                                         ///< Of the topic as a whole.
  std::size_t max_size = 4096;                     ///< Largest message in bytes.
  bool timestamps = true;                          ///< Whether publishing reads the clock (about 40 ns).
  std::map<std::string, TransportOption> options;  ///< The transport's own settings, checked by the transport.
  std::map<std::string, Origin> origins;           ///< YAML key -> where the value above came from.

  /// Where the value of `key` came from; "default" when nobody set it.
  [[nodiscard]] Origin origin(const std::string& key) const {
    const auto found = origins.find(key);
    return found == origins.end() ? Origin{} : found->second;
  }
};

}  // namespace sluice
