#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <payload.hpp>
#include <span>

// The payload convention of README.md in C++, for tests that exchange messages with eshm_peer. From 24 bytes on a
// message is one element of slick_peer's convention whose number is the length.
namespace eshm_peer {

using slick_peer::message_size;
using slick_peer::Origin;  // producer 0: the message is whole, but too short to say whose it is

inline constexpr std::size_t kNamed = 8;

namespace detail {

inline void fill_pattern(std::span<std::byte> bytes, std::uint64_t state) {
  for (std::size_t offset = 0; offset < bytes.size(); offset += sizeof state) {
    const std::uint64_t word = slick_peer::mix(state++);
    std::memcpy(bytes.data() + offset, &word, std::min(sizeof word, bytes.size() - offset));
  }
}

}  // namespace detail

inline void fill(std::span<std::byte> message, std::uint64_t seed, Origin origin) {
  if (message.size() >= slick_peer::kPrefix) {
    slick_peer::fill_element(message, seed, origin, static_cast<std::uint32_t>(message.size()));
  } else if (message.size() < kNamed) {
    detail::fill_pattern(message, message.size());
  } else {
    const std::uint64_t name = origin.producer << slick_peer::kSequenceBits | origin.sequence;
    std::memcpy(message.data(), &name, sizeof name);
    detail::fill_pattern(message.subspan(kNamed), slick_peer::mix(name) ^ message.size());
  }
}

namespace detail {

inline std::optional<Origin> read_short(std::span<const std::byte> message) {
  const Origin origin = message.size() < kNamed ? Origin{} : slick_peer::detail::origin_of(message.first(kNamed));
  if (message.size() >= kNamed && origin.producer == 0) return std::nullopt;  // nobody has written it
  std::array<std::byte, slick_peer::kPrefix> expected{};
  const auto bytes = std::span{expected}.first(message.size());
  fill(bytes, 0, origin);
  if (!std::equal(bytes.begin(), bytes.end(), message.begin())) return std::nullopt;
  return origin;
}

}  // namespace detail

// Who wrote the message; nothing when it is not one writer's whole message.
inline std::optional<Origin> read(std::span<const std::byte> message) {
  if (message.size() < slick_peer::kPrefix) return detail::read_short(message);
  const Origin origin = slick_peer::detail::origin_of(message);
  if (origin.producer == 0 || !slick_peer::detail::element_intact(message, message.size())) return std::nullopt;
  return origin;
}

}  // namespace eshm_peer
