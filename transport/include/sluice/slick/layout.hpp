#pragma once

#include <cstddef>
#include <cstdint>

#include <sluice/shm/atomic.hpp>

/// The SlickQueue segment, byte for byte as slick_queue 1.2.x to 1.4.x and slick_queue_py write it: a header, a slot
/// for each element, the elements. plugins/slick/README.md has the picture. Not a byte here is ours to change.
namespace sluice::slick {

inline constexpr std::uint64_t kNoIndex = UINT64_MAX;    ///< In a slot: never published. In last_published: none.
inline constexpr std::uint32_t kRingMagic = 0x534C5131;  ///< "SLQ1": the creator maintains last_published.
inline constexpr std::uint32_t kMaxReservation = 65535;  ///< `reserved` has 16 bits for a reservation's size.

/// What the header's init_state says about the segment's creator.
enum class InitState : std::uint32_t {
  unversioned = 0,   ///< Uninitialised, or created by 1.2.x or Python.
  legacy = 1,        ///< Created by 1.3.0, or adopted; "claimed", not "ready".
  initialising = 2,  ///< 1.4.0.
  ready = 3,         ///< 1.4.0.
};

/// The first 64 bytes.
struct RingHeader {
  shm::SharedAtomic<std::uint64_t> reserved;        ///< (index << 16) | size of the latest reservation.
  std::uint32_t capacity;                           ///< In elements, a power of two.
  std::uint32_t element_size;                       ///< In bytes.
  shm::SharedAtomic<std::uint64_t> last_published;  ///< Meaningful only when ready and the magic matches.
  shm::SharedAtomic<std::uint32_t> magic;           ///< kRingMagic, or 0.
  std::uint8_t zero0[20];                           ///< Unused.
  shm::SharedAtomic<std::uint32_t> init_state;      ///< An InitState.
  std::uint8_t zero1[12];                           ///< Unused.
};
static_assert(offsetof(RingHeader, reserved) == 0);
static_assert(offsetof(RingHeader, capacity) == 8 && offsetof(RingHeader, element_size) == 12);
static_assert(offsetof(RingHeader, last_published) == 16 && offsetof(RingHeader, magic) == 24);
static_assert(offsetof(RingHeader, init_state) == 48 && sizeof(RingHeader) == 64);

/// Slot k mod capacity belongs to the message that starts at index k.
struct RingSlot {
  shm::SharedAtomic<std::uint64_t> data_index;  ///< kNoIndex, the message's index, or a wrap marker.
  shm::SharedAtomic<std::uint32_t> size;        ///< In elements; 1 at creation.
  std::uint32_t padding;                        ///< Unused.
};
static_assert(offsetof(RingSlot, data_index) == 0 && offsetof(RingSlot, size) == 8 && sizeof(RingSlot) == 16);

/// The index part of the word `reserved`: the index after the latest reservation.
[[nodiscard]] constexpr std::uint64_t reserved_index(std::uint64_t word) noexcept { return word >> 16U; }

/// The size part, in elements. Briefly old (hazard H11): never derive positions from it.
[[nodiscard]] constexpr std::uint64_t reserved_size(std::uint64_t word) noexcept { return word & 0xFFFFU; }

/// The word for an index and a size; of the size, 16 bits.
[[nodiscard]] constexpr std::uint64_t make_reserved(std::uint64_t index, std::uint64_t size) noexcept {
  return (index << 16U) | (size & 0xFFFFU);
}

/// Whether the value v in the slot of k sends a reader who stands at k on to v: a wrap marker, or a jump over a hole
/// that was repaired. Both stay in k's lap of the array, up to the beginning of the next. Half a marker, as Python may
/// leave one for a moment (hazard H13), does not: its bytes are the marker's up to some place and an earlier lap's from
/// there.
[[nodiscard]] constexpr bool sends_on(std::uint64_t v, std::uint64_t k, std::uint64_t mask,
                                      std::uint64_t reserved) noexcept {
  return v > k && v <= (k | mask) + 1 && v <= reserved && ((v ^ k) & mask) != 0;
}

/// Bytes of a segment of `capacity` elements of `element_size` bytes.
[[nodiscard]] constexpr std::uint64_t ring_segment_size(std::uint64_t capacity, std::uint64_t element_size) noexcept {
  return sizeof(RingHeader) + capacity * (sizeof(RingSlot) + element_size);
}

}  // namespace sluice::slick
