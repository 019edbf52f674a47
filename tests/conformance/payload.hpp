#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

namespace sluice::conformance {

/// What a message of the suite begins with, if it is long enough. All its other bytes follow from tag and number, so
/// that a message that was mixed from two is recognised whatever its length.
struct Stamp {
  std::uint64_t checksum;  ///< Of all other bytes.
  std::uint64_t number;    ///< Rises by one within a tag.
  std::uint64_t tag;       ///< Who sent it.
  std::uint64_t length;
};

namespace detail {

inline std::uint64_t mixed(std::uint64_t value) noexcept {
  value = (value ^ (value >> 30U)) * 0xBF58476D1CE4E5B9U;
  value = (value ^ (value >> 27U)) * 0x94D049BB133111EBU;
  return value ^ (value >> 31U);
}

inline std::uint64_t checksum(std::span<const std::byte> bytes) noexcept {
  std::uint64_t sum = bytes.size();
  for (std::size_t i = 0; i < bytes.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, bytes.size() - i < 8 ? bytes.size() - i : 8);
    sum = mixed(sum + 0x9E3779B97F4A7C15U + word);
  }
  return sum;
}

}  // namespace detail

/// Fills `message`, whose size is the message's.
inline void compose(std::span<std::byte> message, std::uint64_t tag, std::uint64_t number) noexcept {
  const std::uint64_t seed = detail::mixed(tag * 0x9E3779B97F4A7C15U + number + 1);
  for (std::size_t i = 0; i < message.size(); ++i) message[i] = std::byte(seed >> (8 * (i % 8)));
  if (message.size() < sizeof(Stamp)) return;
  Stamp stamp{0, number, tag, message.size()};
  std::memcpy(message.data(), &stamp, sizeof stamp);
  stamp.checksum = detail::checksum(message.subspan(sizeof stamp.checksum));
  std::memcpy(message.data(), &stamp.checksum, sizeof stamp.checksum);
}

/// The stamp of an intact message; nothing if it is too short for one or not as `compose` made it.
[[nodiscard]] inline std::optional<Stamp> inspect(std::span<const std::byte> message) noexcept {
  Stamp stamp{};
  if (message.size() < sizeof stamp) return std::nullopt;
  std::memcpy(&stamp, message.data(), sizeof stamp);
  const bool intact =
      stamp.length == message.size() && stamp.checksum == detail::checksum(message.subspan(sizeof stamp.checksum));
  return intact ? std::optional(stamp) : std::nullopt;
}

}  // namespace sluice::conformance
