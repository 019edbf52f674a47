#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include <sluice/error.hpp>
#include <sluice/qos.hpp>

namespace sluice {

/// What a message is, as far as a transport needs to know.
struct MessageType {
  std::string name;              ///< "demo/Imu"; empty: bytes whose type nobody declared, compatible with all.
  std::uint32_t fixed_size = 0;  ///< sizeof of a fixed type; 0: variable size, up to TopicSpec::max_size.
};

/// A setting that only one transport understands, e.g. `segment: /ticks`.
struct TransportOption {
  std::string value;
  Origin origin;
};

/// Everything that is needed to open one topic: the resolved YAML, with the place each value came from.
struct TopicSpec {
  std::string name;  ///< Fully qualified, "/imu/raw".
  MessageType type;
  std::string transport = "slick";
  QoS qos;
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
