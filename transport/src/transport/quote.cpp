#include <sluice/detail/quote.hpp>

namespace sluice::detail {

namespace {

constexpr std::size_t kLongestQuote = 80;

void append_hex(std::string& out, unsigned char byte) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += "\\x";
  out += kDigits[byte >> 4U];
  out += kDigits[byte & 0xFU];
}

bool is_continuation(unsigned char byte) noexcept { return (byte & 0xC0U) == 0x80U; }

}  // namespace

std::size_t utf8_length(std::string_view text) noexcept {
  if (text.empty()) return 0;
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(at(i))) return 0;
  }
  // The second byte decides about overlong forms, surrogates and what lies beyond U+10FFFF.
  const unsigned char second = at(1);
  if (lead == 0xE0 && second < 0xA0) return 0;
  if (lead == 0xED && second > 0x9F) return 0;
  if (lead == 0xF0 && second < 0x90) return 0;
  if (lead == 0xF4 && second > 0x8F) return 0;
  return length;
}

std::string quote(std::string_view text) {
  std::string out = "'";
  std::size_t position = 0;
  while (position < text.size() && position < kLongestQuote) {
    const auto byte = static_cast<unsigned char>(text[position]);
    const std::size_t length = utf8_length(text.substr(position));
    const bool c1_control = byte == 0xC2 && length == 2 && static_cast<unsigned char>(text[position + 1]) < 0xA0;
    if (length == 0 || byte < 0x20 || byte == 0x7F || c1_control) {
      append_hex(out, byte);
      position += 1;
    } else {
      out += text.substr(position, length);
      position += length;
    }
  }
  return out + (position < text.size() ? "...'" : "'");
}

}  // namespace sluice::detail
