#pragma once

#include <optional>

#include <sluice/shm/atomic.hpp>
#include <sluice/slick/layout.hpp>

#include "limits/payload.hpp"

namespace sluice::bench::limits {

/// The accesses that the SlickQueue format (as 1.4.0 creates it) demands of one producer and one reader, one element a
/// message, and nothing else: no locked instruction, no private copy.
///
///     producer  reserved = (i + 1, 1)           store, release
///               element i                       stores
///               slot i: size = 1, index = i     store; store, release
///               last_published = i              store, release
///     reader    slot i: index == i?             load, acquire
///               size, element                   loads, in place
///               reserved <= i + capacity?       load: the lap test, without which a message may be torn
class SlotRing {
 public:
  [[nodiscard]] static std::size_t bytes(std::uint64_t capacity, std::size_t element_size) noexcept {
    return slick::ring_segment_size(capacity, element_size);
  }

  /// `memory` begins as zeros; one side calls prepare before either uses the ring.
  SlotRing(std::byte* memory, std::uint64_t capacity, std::size_t element_size) noexcept
      : header_(*reinterpret_cast<slick::RingHeader*>(memory)),
        slots_(reinterpret_cast<slick::RingSlot*>(memory + sizeof(slick::RingHeader))),
        elements_(memory + sizeof(slick::RingHeader) + capacity * sizeof(slick::RingSlot)),
        mask_(capacity - 1),
        element_size_(element_size) {}

  void prepare() noexcept {
    for (std::uint64_t k = 0; k <= mask_; ++k) slots_[k].data_index.store_relaxed(slick::kNoIndex);
  }

  void send_copy(std::span<const std::byte> payload) noexcept {
    send([&](std::byte* data) { std::memcpy(data, payload.data(), payload.size()); });
  }
  void send_filled(std::size_t size) noexcept {
    send([&](std::byte* data) { fill(data, size, next_); });
  }

  [[nodiscard]] std::optional<std::uint64_t> try_receive() noexcept {
    slick::RingSlot& slot = slots_[next_ & mask_];
    if (slot.data_index.load_acquire() != next_) return std::nullopt;
    const std::size_t size = slot.size.load_relaxed() * element_size_;
    const std::uint64_t first = read_every_line(elements_ + (next_ & mask_) * element_size_, size);
    shm::fence_acquire();
    if (slick::reserved_index(header_.reserved.load_relaxed()) > next_ + mask_ + 1) return std::nullopt;
    ++next_;
    return first;
  }

 private:
  template <typename Write>
  void send(Write write) noexcept {
    header_.reserved.store_release(slick::make_reserved(next_ + 1, 1));
    write(elements_ + (next_ & mask_) * element_size_);
    slick::RingSlot& slot = slots_[next_ & mask_];
    slot.size.store_relaxed(1);
    slot.data_index.store_release(next_);
    header_.last_published.store_release(next_);
    ++next_;
  }

  slick::RingHeader& header_;
  slick::RingSlot* slots_;
  std::byte* elements_;
  std::uint64_t mask_;
  std::size_t element_size_;
  std::uint64_t next_ = 0;
};

}  // namespace sluice::bench::limits
