#include "commands/payload_text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include <sluice/error.hpp>

namespace sluice::commands {

namespace {

using Payload = std::span<const std::byte>;

std::string hex_of(Payload payload) {
  std::string text;
  for (const std::byte byte : payload) {
    std::array<char, 3> digits{};
    std::snprintf(digits.data(), digits.size(), "%02x", static_cast<unsigned>(byte));
    text += digits.data();
  }
  return text;
}

/// Up to the first NUL, other control characters as dots.
std::string text_of(Payload payload) {
  std::string text;
  for (const std::byte byte : payload) {
    const char letter = static_cast<char>(byte);
    if (letter == '\0') break;
    text += static_cast<unsigned char>(letter) < 0x20 ? '.' : letter;
  }
  return text;
}

/// Text is bytes without control characters, but for line ends, tabs and NULs behind it.
bool is_text(Payload payload) {
  const auto end = std::find_if(payload.rbegin(), payload.rend(), [](std::byte b) { return b != std::byte{0}; }).base();
  return end != payload.begin() && std::all_of(payload.begin(), end, [](std::byte byte) {
           const auto letter = static_cast<unsigned char>(byte);
           return letter >= 0x20 ? letter != 0x7f : letter == '\n' || letter == '\r' || letter == '\t';
         });
}

std::string guessed(Payload payload) { return is_text(payload) ? text_of(payload) : hex_of(payload); }

template <typename T>
std::string numbers_of(Payload payload) {
  std::string text;
  for (std::size_t at = 0; at + sizeof(T) <= payload.size(); at += sizeof(T)) {
    T value{};
    std::memcpy(&value, &payload[at], sizeof value);
    text += (text.empty() ? "" : " ") + std::to_string(value);
  }
  return text;
}

const std::vector<std::pair<std::string, PayloadText>>& formats() {
  static const std::vector<std::pair<std::string, PayloadText>> all{
      {"auto", guessed},
      {"hex", hex_of},
      {"text", text_of},
      {"u64", numbers_of<std::uint64_t>},
      {"i64", numbers_of<std::int64_t>},
      {"u32", numbers_of<std::uint32_t>},
      {"i32", numbers_of<std::int32_t>},
      {"f64", numbers_of<double>},
  };
  return all;
}

}  // namespace

PayloadText payload_text(const std::string& format) {
  std::vector<std::string> names;
  for (const auto& [name, text] : formats()) {
    if (name == format) return text;
    names.push_back(name);
  }
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  throw Error("there is no format '" + format + "'" + did_you_mean(format, names) + " (" + list + ")");
}

std::vector<std::byte> payload_bytes(const std::string& text, bool hex) {
  std::vector<std::byte> bytes;
  if (!hex) {
    for (const char letter : text) bytes.push_back(static_cast<std::byte>(letter));
    return bytes;
  }
  if (text.size() % 2 != 0 || text.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) {
    throw Error("'" + text + "' is no even number of hexadecimal digits");
  }
  for (std::size_t at = 0; at < text.size(); at += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoul(text.substr(at, 2), nullptr, 16)));
  }
  return bytes;
}

}  // namespace sluice::commands
