#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <sluice/export.hpp>

namespace sluice::detail {

/// `text` in single quotes for an error message. Text from a file can be hostile: control characters and broken UTF-8
/// are shown as \xNN, so that a message never spans lines or reprograms a terminal, and long text is cut.
[[nodiscard]] SLUICE_EXPORT std::string quote(std::string_view text);

/// Bytes of the well-formed UTF-8 sequence at the front of `text`, or 0 when there is none.
[[nodiscard]] SLUICE_EXPORT std::size_t utf8_length(std::string_view text) noexcept;

}  // namespace sluice::detail
