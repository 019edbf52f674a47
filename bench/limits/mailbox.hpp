#pragma once

#include <optional>

#include <sluice/shm/atomic.hpp>

#include "limits/payload.hpp"

namespace sluice::bench::limits {

/// The accesses that one direction of an ESHM channel (protocol 3) demands, and nothing else: no locked instruction.
///
///     writer   sequence odd                     store, then a release fence
///              data, data_size                  stores
///              sequence even                    store, release
///              write_count, wake_seq            stores; load waiters
///     reader   sequence even and new?           load, acquire
///              data_size, data                  loads, in place
///              sequence unchanged?              acquire fence, load
///              read_count                       store
class Mailbox {
 public:
  [[nodiscard]] static std::size_t bytes(std::size_t max_size) noexcept { return tail_offset(max_size) + sizeof(Tail); }

  Mailbox(std::byte* memory, std::size_t max_size) noexcept
      : head_(*reinterpret_cast<Head*>(memory)),
        data_(memory + sizeof(Head)),
        tail_(*reinterpret_cast<Tail*>(memory + tail_offset(max_size))) {}

  void send_copy(std::span<const std::byte> payload) noexcept {
    const std::uint32_t sequence = head_.sequence.load_relaxed();
    head_.sequence.store_relaxed(sequence | 1U);
    shm::fence_release();
    std::memcpy(data_, payload.data(), payload.size());
    head_.data_size.store_relaxed(static_cast<std::uint32_t>(payload.size()));
    head_.sequence.store_release((sequence | 1U) + 1);
    tail_.write_count.store_release(tail_.write_count.load_relaxed() + 1);
    tail_.wake_seq.store_release(tail_.wake_seq.load_relaxed() + 1);
    waiters_seen_ = tail_.waiters.load_acquire();
  }

  [[nodiscard]] std::optional<std::uint64_t> try_receive() noexcept {
    const std::uint32_t sequence = head_.sequence.load_acquire();
    if (sequence == last_ || (sequence & 1U) != 0) return std::nullopt;
    const std::uint64_t first = read_every_line(data_, head_.data_size.load_relaxed());
    shm::fence_acquire();
    if (head_.sequence.load_relaxed() != sequence) return std::nullopt;
    tail_.read_count.store_relaxed(tail_.read_count.load_relaxed() + 1);
    last_ = sequence;
    return first;
  }

 private:
  struct Head {
    shm::SharedAtomic<std::uint32_t> sequence;
    shm::SharedAtomic<std::uint32_t> data_size;
  };
  struct Tail {
    shm::SharedAtomic<std::uint64_t> write_count;
    shm::SharedAtomic<std::uint64_t> read_count;
    shm::SharedAtomic<std::uint32_t> wake_seq;
    shm::SharedAtomic<std::uint32_t> waiters;
  };
  static_assert(sizeof(Head) == 8 && sizeof(Tail) == 24);

  [[nodiscard]] static std::size_t tail_offset(std::size_t max_size) noexcept {
    return (sizeof(Head) + max_size + 7) / 8 * 8;
  }

  Head& head_;
  std::byte* data_;
  Tail& tail_;
  std::uint32_t last_ = 0;
  std::uint32_t waiters_seen_ = 0;
};

}  // namespace sluice::bench::limits
