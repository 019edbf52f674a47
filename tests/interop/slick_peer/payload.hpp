#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

// The payload convention of README.md in C++, for tests that exchange messages with slick_peer.
namespace slick_peer {

inline constexpr std::size_t kSmallElement = 8;
inline constexpr std::size_t kPrefix = 24;
inline constexpr std::size_t kNumberOffset = 16;
inline constexpr std::size_t kChecksumOffset = 20;
inline constexpr unsigned kSequenceBits = 48;
inline constexpr std::uint32_t kSizeStream = UINT32_MAX;

struct Origin {
  std::uint64_t producer = 0;  // 1 and up
  std::uint64_t sequence = 0;
  bool operator==(const Origin&) const = default;
};

inline constexpr std::uint64_t mix(std::uint64_t state) {
  state += 0x9E3779B97F4A7C15U;
  state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9U;
  state = (state ^ (state >> 27)) * 0x94D049BB133111EBU;
  return state ^ (state >> 31);
}

inline constexpr std::uint64_t stream(std::uint64_t seed, Origin origin, std::uint32_t number) {
  return mix(mix(mix(mix(seed) ^ origin.producer) ^ origin.sequence) ^ number);
}

// How many elements the message has when its producer chooses from [smallest, largest].
inline constexpr std::uint32_t message_size(std::uint64_t seed, Origin origin, std::uint32_t smallest,
                                            std::uint32_t largest) {
  return smallest + static_cast<std::uint32_t>(stream(seed, origin, kSizeStream) % (largest - smallest + 1));
}

inline constexpr std::array<std::uint32_t, 256> kCrcTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
    std::uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0xEDB88320U : 0U);
    table[byte] = value;
  }
  return table;
}();

// zlib's crc32.
inline std::uint32_t crc32(std::uint32_t crc, std::span<const std::byte> bytes) {
  crc = ~crc;
  for (const std::byte byte : bytes) crc = (crc >> 8) ^ kCrcTable[(crc ^ std::to_integer<std::uint32_t>(byte)) & 0xFF];
  return ~crc;
}

inline std::uint32_t element_checksum(std::span<const std::byte> element) {
  return crc32(crc32(0, element.first(kChecksumOffset)), element.subspan(kPrefix));
}

// Writes element `number` of a message; the element's size is 8 or at least 24 bytes.
inline void fill_element(std::span<std::byte> element, std::uint64_t seed, Origin origin, std::uint32_t number) {
  if (element.size() == kSmallElement) {
    const std::uint64_t value = origin.producer << kSequenceBits | origin.sequence;
    std::memcpy(element.data(), &value, sizeof value);
    return;
  }
  std::memcpy(element.data(), &origin.producer, sizeof origin.producer);
  std::memcpy(element.data() + sizeof origin.producer, &origin.sequence, sizeof origin.sequence);
  std::memcpy(element.data() + kNumberOffset, &number, sizeof number);
  std::uint64_t state = stream(seed, origin, number);
  for (std::size_t offset = kPrefix; offset < element.size(); offset += sizeof state) {
    const std::uint64_t word = mix(state++);
    std::memcpy(element.data() + offset, &word, std::min(sizeof word, element.size() - offset));
  }
  const std::uint32_t checksum = element_checksum(element);
  std::memcpy(element.data() + kChecksumOffset, &checksum, sizeof checksum);
}

inline void fill_message(std::span<std::byte> message, std::size_t element_size, std::uint64_t seed, Origin origin) {
  const std::size_t size = message.size() / element_size;
  for (std::size_t number = 0; number < size; ++number) {
    fill_element(message.subspan(number * element_size, element_size), seed, origin,
                 static_cast<std::uint32_t>(number));
  }
}

namespace detail {

inline Origin origin_of(std::span<const std::byte> element) {
  std::array<std::uint64_t, 2> words{};
  if (element.size() == kSmallElement) {
    std::memcpy(words.data(), element.data(), sizeof words[0]);
    return {words[0] >> kSequenceBits, words[0] & ((std::uint64_t{1} << kSequenceBits) - 1)};
  }
  std::memcpy(words.data(), element.data(), sizeof words);
  return {words[0], words[1]};
}

inline bool element_intact(std::span<const std::byte> element, std::size_t expected_number) {
  if (element.size() == kSmallElement) return true;
  std::uint32_t number = 0;
  std::uint32_t checksum = 0;
  std::memcpy(&number, element.data() + kNumberOffset, sizeof number);
  std::memcpy(&checksum, element.data() + kChecksumOffset, sizeof checksum);
  return number == expected_number && checksum == element_checksum(element);
}

}  // namespace detail

// Who wrote the message; nothing when the elements are not those of one message, unmixed.
inline std::optional<Origin> read_message(std::span<const std::byte> message, std::size_t element_size) {
  if (message.empty() || message.size() % element_size != 0) return std::nullopt;
  const Origin origin = detail::origin_of(message.first(element_size));
  if (origin.producer == 0) return std::nullopt;
  for (std::size_t number = 0; number < message.size() / element_size; ++number) {
    const auto element = message.subspan(number * element_size, element_size);
    if (detail::origin_of(element) != origin || !detail::element_intact(element, number)) return std::nullopt;
  }
  return origin;
}

}  // namespace slick_peer
