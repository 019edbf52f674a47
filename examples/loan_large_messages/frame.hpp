#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>

/// A message of variable size: this header, then width * height bytes of pixels.
namespace example {

struct FrameHeader {
  std::uint32_t number;
  std::uint32_t width;
  std::uint32_t height;
  std::uint32_t checksum;  ///< Sum of the pixels.
};

inline constexpr std::uint32_t kFrames = 5;
inline constexpr std::uint32_t kWidth = 1024;
inline constexpr std::size_t kLargestFrame = sizeof(FrameHeader) + std::size_t{kWidth} * 2500;

inline std::uint32_t checksum(std::span<const std::byte> pixels) {
  return std::accumulate(pixels.begin(), pixels.end(), std::uint32_t{0}, [](std::uint32_t sum, std::byte pixel) {
    return sum + std::to_integer<std::uint32_t>(pixel);
  });
}

}  // namespace example
