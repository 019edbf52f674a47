#pragma once

#include <optional>

#include <sluice/shm/atomic.hpp>

#include "limits/payload.hpp"
#include "slick/topic_layout.hpp"

namespace sluice::bench::limits {

/// The accesses that a Sluice topic's format demands of one publisher and one reader that never die, and nothing else:
/// no locked instruction, no record, no horizon, no books.
///
///     publisher  reserved = i + 1                      store
///                header and payload of cell i          stores
///                stamp of cell i = i + 1               store, release
///                known room used up: load the cursor   once in a lap
///     reader     stamp == i + 1?                       load, acquire
///                header and payload                    loads, in place
///                cursor = i + 1                        store, once in capacity / 8 messages
///
/// Variants, to explain distances; not limits:
///  - prefetching: the publisher asks for the cells ahead, which the format does not demand but an implementation may
///  do;
///  - locking: two locked instructions a message, on lines that nobody else touches, where several publishers and
///    sleeping readers make them necessary: the grant, and the barrier before the look at the doorbell. Each waits
///    until all stores before it are done, so transfers of cells no longer overlap.
struct CellRingVariant {
  bool prefetching = false;
  bool locking = false;
};

template <CellRingVariant Variant = CellRingVariant{}>
class CellRing {
 public:
  struct Words {
    alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> reserved;
    alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> cursor;
    alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> record;  ///< Locking only.
  };

  [[nodiscard]] static std::size_t stride(std::size_t max_payload) noexcept {
    return (slick::kCellHeader + max_payload + shm::kCacheLine - 1) / shm::kCacheLine * shm::kCacheLine;
  }
  [[nodiscard]] static std::size_t bytes(std::uint64_t capacity, std::size_t max_payload) noexcept {
    return sizeof(Words) + capacity * stride(max_payload);
  }

  /// `memory` begins as zeros; `capacity` is a power of two, at least 8.
  CellRing(std::byte* memory, std::uint64_t capacity, std::size_t max_payload) noexcept
      : words_(*reinterpret_cast<Words*>(memory)),
        cells_(memory + sizeof(Words)),
        capacity_(capacity),
        stride_(stride(max_payload)),
        room_(capacity) {}

  void send_copy(std::span<const std::byte> payload) noexcept {
    send(payload.size(), [&](std::byte* data) { std::memcpy(data, payload.data(), payload.size()); });
  }
  void send_filled(std::size_t size) noexcept {
    send(size, [&](std::byte* data) { fill(data, size, next_); });
  }

  [[nodiscard]] std::optional<std::uint64_t> try_receive() noexcept {
    slick::Cell& cell = this->cell(next_);
    if (cell.stamp.load_acquire() != slick::stamp_message(next_)) return std::nullopt;
    const std::uint64_t first = read_every_line(payload(cell), cell.length);
    if (++next_ % (capacity_ / 8) == 0) words_.cursor.store_release(next_);
    return first;
  }

 private:
  [[nodiscard]] slick::Cell& cell(std::uint64_t position) const noexcept {
    return *reinterpret_cast<slick::Cell*>(cells_ + (position & (capacity_ - 1)) * stride_);
  }
  [[nodiscard]] static std::byte* payload(slick::Cell& cell) noexcept {
    return reinterpret_cast<std::byte*>(&cell) + slick::kCellHeader;
  }

  template <typename Write>
  void send(std::size_t size, Write write) noexcept {
    while (next_ >= room_) room_ = words_.cursor.load_acquire() + capacity_;
    if constexpr (Variant.prefetching) {
      const auto* ahead = reinterpret_cast<const std::byte*>(&cell(next_ + 4));
      shm::prefetch_for_writing(ahead);
      shm::prefetch_for_writing(ahead + shm::kCacheLine);
    }
    if constexpr (Variant.locking) {
      words_.reserved.fetch_add_acq_rel(1);
    } else {
      words_.reserved.store_release(next_ + 1);
    }
    slick::Cell& cell = this->cell(next_);
    cell.sequence = next_;
    cell.published_ns = 0;
    cell.publisher = 1;
    cell.length = static_cast<std::uint32_t>(size);
    write(payload(cell));
    cell.stamp.store_release(slick::stamp_message(next_));
    if constexpr (Variant.locking) words_.record.fetch_add_seq_cst(1);
    ++next_;
  }

  Words& words_;
  std::byte* cells_;
  std::uint64_t capacity_;
  std::size_t stride_;
  std::uint64_t room_;  ///< Positions below it may be written.
  std::uint64_t next_ = 0;
};

}  // namespace sluice::bench::limits
