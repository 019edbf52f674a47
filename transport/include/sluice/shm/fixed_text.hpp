#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace sluice::shm {

/// Text in a field of fixed length, NUL-terminated; what does not fit is cut.
template <std::size_t N>
void store_text(std::array<char, N>& field, std::string_view text) {
  field.fill('\0');
  text.copy(field.data(), N - 1);
}

/// The text of a field, whatever somebody else wrote into it: ends at the first NUL or at the field's end.
template <std::size_t N>
[[nodiscard]] std::string load_text(const std::array<char, N>& field) {
  return {field.begin(), std::find(field.begin(), field.end(), '\0')};
}

}  // namespace sluice::shm
