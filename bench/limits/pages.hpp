#pragma once

#include <cstddef>
#include <cstring>
#include <span>

namespace sluice::bench::limits {

/// Loads one word of each page: what a view of a large message costs a reader that only looks around in it.
[[nodiscard]] inline std::size_t touch_pages(std::span<const std::byte> memory) noexcept {
  constexpr std::size_t kPage = 4096;
  std::size_t touched = 0;
  for (std::size_t offset = 0; offset < memory.size(); offset += kPage, ++touched) {
    asm volatile("" : : "r"(memory[offset]));
  }
  return touched;
}

/// One copy, by the C library: what a message costs that is copied once.
inline void copy_once(std::span<std::byte> to, std::span<const std::byte> from) noexcept {
  std::memcpy(to.data(), from.data(), from.size());
  asm volatile("" : : "r"(to.data()) : "memory");
}

}  // namespace sluice::bench::limits
