#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

/// The messages of this example: plain structs, 6.2 MB each. They exist in shared memory only.
namespace example {

inline constexpr std::size_t kWidth = 1920;
inline constexpr std::size_t kHeight = 1080;
inline constexpr std::size_t kPixelBytes = kWidth * kHeight * 3;  // RGB

struct Image {
  std::uint32_t number;  ///< From 1.
  std::uint32_t frames;  ///< The number of the last one.
  std::uint64_t sum;     ///< Of all bytes of the pixels, as the publisher means them to be.
  std::array<std::uint8_t, kPixelBytes> pixels;
};

}  // namespace example
