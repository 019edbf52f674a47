#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include <sluice/export.hpp>

namespace sluice {

/// "8MiB", "64KiB", "1.5MB", "512B", "4096" -> bytes. Throws Error naming the text and the accepted units.
[[nodiscard]] SLUICE_EXPORT std::size_t parse_size(std::string_view text);

/// "100ms", "2s", "1.5s", "250us", "10ns", "5min", "1h" -> duration. A number without a unit is refused, except 0.
[[nodiscard]] SLUICE_EXPORT std::chrono::nanoseconds parse_duration(std::string_view text);

/// The shortest exact text: 8388608 -> "8MiB", 1000 -> "1000B".
[[nodiscard]] SLUICE_EXPORT std::string format_size(std::size_t bytes);

/// The shortest exact text: 100'000'000ns -> "100ms".
[[nodiscard]] SLUICE_EXPORT std::string format_duration(std::chrono::nanoseconds duration);

}  // namespace sluice
