#pragma once

#include <optional>

#include <sluice/shm/atomic.hpp>

#include "limits/payload.hpp"

namespace sluice::bench::limits {

/// Handing a message over inside one process: the payload in memory of its own, its place in a ring of numbers, one
/// word that says how far the ring is filled. One publisher, one reader, no locked instruction, no reference count.
///
///     publisher  payload                     stores
///                slot i = place of payload   store
///                tail = i + 1                store, release
///     reader     tail > i?                   load, acquire
///                slot i, payload             loads, in place
///                head = i + 1                store, release: the payload's memory is free again
class PointerRing {
 public:
  struct Words {
    alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> tail;
    alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> head;
  };

  [[nodiscard]] static std::size_t bytes(std::uint64_t capacity, std::size_t max_payload) noexcept {
    return sizeof(Words) + capacity * (sizeof(std::uint64_t) + stride(max_payload));
  }

  PointerRing(std::byte* memory, std::uint64_t capacity, std::size_t max_payload) noexcept
      : words_(*reinterpret_cast<Words*>(memory)),
        slots_(reinterpret_cast<shm::SharedAtomic<std::uint64_t>*>(memory + sizeof(Words))),
        payloads_(memory + sizeof(Words) + capacity * sizeof(std::uint64_t)),
        size_(max_payload),
        capacity_(capacity),
        room_(capacity) {}

  void send_copy(std::span<const std::byte> payload) noexcept {
    send([&](std::byte* data) { std::memcpy(data, payload.data(), payload.size()); });
  }
  void send_filled(std::size_t size) noexcept {
    send([&](std::byte* data) { fill(data, size, next_); });
  }

  [[nodiscard]] std::optional<std::uint64_t> try_receive() noexcept {
    if (next_ >= room_) room_ = words_.tail.load_acquire();
    if (next_ >= room_) return std::nullopt;
    const std::uint64_t offset = slots_[next_ & (capacity_ - 1)].load_relaxed();
    const std::uint64_t first = read_every_line(payloads_ + offset, size_);
    words_.head.store_release(++next_);
    return first;
  }

  /// The reader's side begins with nothing to take.
  void read_from_start() noexcept { room_ = 0; }

 private:
  [[nodiscard]] static std::size_t stride(std::size_t max_payload) noexcept {
    return (max_payload + shm::kCacheLine - 1) / shm::kCacheLine * shm::kCacheLine;
  }

  template <typename Write>
  void send(Write write) noexcept {
    while (next_ >= room_) room_ = words_.head.load_acquire() + capacity_;
    const std::uint64_t offset = (next_ & (capacity_ - 1)) * stride(size_);
    write(payloads_ + offset);
    slots_[next_ & (capacity_ - 1)].store_relaxed(offset);
    words_.tail.store_release(++next_);
  }

  Words& words_;
  shm::SharedAtomic<std::uint64_t>* slots_;
  std::byte* payloads_;
  std::size_t size_;
  std::uint64_t capacity_;
  std::uint64_t room_;  ///< Known to be free (publisher) or filled (reader) below this position.
  std::uint64_t next_ = 0;
};

}  // namespace sluice::bench::limits
