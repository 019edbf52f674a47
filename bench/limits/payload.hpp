#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace sluice::bench {

/// What every reader here does with a message, measured or limit: it loads one word of each cache line. Returns the
/// first word, where the harness keeps the message's number.
[[nodiscard]] inline std::uint64_t read_every_line(const std::byte* data, std::size_t size) noexcept {
  constexpr std::size_t kLine = 64;
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  const auto load = [data](std::size_t offset) {
    std::uint64_t word = 0;
    std::memcpy(&word, data + offset, kWord);
    return word;
  };
  if (size < kWord) return 0;
  std::uint64_t sum = load(size - kWord);
  for (std::size_t offset = kLine; offset + kWord <= size; offset += kLine) sum ^= load(offset);
  asm volatile("" : : "r"(sum));  // or the compiler leaves the loads out
  return load(0);
}

/// What a publisher that fills a loan does: it writes every byte, the message's number first.
inline void fill(std::byte* data, std::size_t size, std::uint64_t number) noexcept {
  std::memset(data, static_cast<int>(number & 0xFFU), size);
  if (size >= sizeof number) std::memcpy(data, &number, sizeof number);
}

}  // namespace sluice::bench
