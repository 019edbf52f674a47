#pragma once

#include <cstddef>
#include <cstdint>

#include <sluice/shm/atomic.hpp>

/// The SlickQueue segment, byte for byte as slick_queue 1.2.x to 1.4.x and slick_queue_py write it. README.md has the
/// picture. Not a byte here is ours to change.
namespace sluice::slick {

inline constexpr std::uint64_t kNoIndex = UINT64_MAX;
inline constexpr std::uint32_t kRawMagic = 0x534C5131;
inline constexpr std::uint32_t kMaxReservation = 65535;  ///< `reserved` has 16 bits for a reservation's size.

enum class InitState : std::uint32_t {
  unversioned = 0,   ///< Uninitialised, or created by 1.2.x or Python.
  legacy = 1,        ///< Created by 1.3.0, or adopted; "claimed", not "ready".
  initialising = 2,  ///< 1.4.0.
  ready = 3,         ///< 1.4.0.
};

struct RawHeader {
  shm::SharedAtomic<std::uint64_t> reserved;  ///< (index << 16) | size of the latest reservation.
  std::uint32_t capacity;
  std::uint32_t element_size;
  shm::SharedAtomic<std::uint64_t> last_published;  ///< Meaningful only when ready and the magic matches.
  shm::SharedAtomic<std::uint32_t> magic;
  std::uint8_t zero0[20];
  shm::SharedAtomic<std::uint32_t> init_state;
  std::uint8_t zero1[12];
};
static_assert(offsetof(RawHeader, capacity) == 8 && offsetof(RawHeader, element_size) == 12);
static_assert(offsetof(RawHeader, last_published) == 16 && offsetof(RawHeader, magic) == 24);
static_assert(offsetof(RawHeader, init_state) == 48 && sizeof(RawHeader) == 64);

struct RawSlot {
  shm::SharedAtomic<std::uint64_t> data_index;  ///< kNoIndex, the message's index, or a wrap marker.
  shm::SharedAtomic<std::uint32_t> size;        ///< In elements; 1 at creation.
  std::uint32_t padding;
};
static_assert(offsetof(RawSlot, size) == 8 && sizeof(RawSlot) == 16);

[[nodiscard]] constexpr std::uint64_t reserved_index(std::uint64_t word) noexcept { return word >> 16U; }
[[nodiscard]] constexpr std::uint64_t reserved_size(std::uint64_t word) noexcept { return word & 0xFFFFU; }
[[nodiscard]] constexpr std::uint64_t make_reserved(std::uint64_t index, std::uint64_t size) noexcept {
  return (index << 16U) | (size & 0xFFFFU);
}

/// Bytes of a segment of N elements of E bytes.
[[nodiscard]] constexpr std::uint64_t raw_segment_size(std::uint64_t capacity, std::uint64_t element_size) noexcept {
  return sizeof(RawHeader) + capacity * (sizeof(RawSlot) + element_size);
}

}  // namespace sluice::slick
