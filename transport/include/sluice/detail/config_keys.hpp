#pragma once

#include <span>
#include <string_view>

#include <sluice/export.hpp>

namespace sluice::detail {

/// One YAML key of a configuration file, as the parser accepts it and as documentation prints it.
struct ConfigKey {
  std::string_view name;
  std::string_view transport;      ///< Of a topic's key: the only transport that knows it; empty: every transport does.
  std::string_view accepted;       ///< "1 to 1048576", "a duration, such as 100ms"
  std::string_view default_value;  ///< As it would be written; empty: none.
  std::string_view help;           ///< One sentence.
};

/// The keys at the top of a file.
[[nodiscard]] SLUICE_EXPORT std::span<const ConfigKey> domain_keys() noexcept;

/// The keys of an entry of `topics`: those common to all transports first, then the options of the transports.
[[nodiscard]] SLUICE_EXPORT std::span<const ConfigKey> topic_keys() noexcept;

/// The transports whose options are in topic_keys(), all of them. What another transport accepts, only it knows.
[[nodiscard]] SLUICE_EXPORT bool is_shipped_transport(std::string_view transport) noexcept;

}  // namespace sluice::detail
