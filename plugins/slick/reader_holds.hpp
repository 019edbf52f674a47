#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>

#include <sluice/shm/atomic.hpp>
#include <sluice/shm/doorbell.hpp>
#include <sluice/shm/kill_point.hpp>
#include <sluice/transport.hpp>

namespace sluice::slick {

/// The chunks that a subscription holds, in words that every publisher reads. The thread that takes adds; any thread
/// releases, in any order.
class ReaderHolds {
 public:
  explicit ReaderHolds(std::span<shm::SharedAtomic<std::uint32_t>> words) noexcept : words_(words) {}

  /// Says that `chunk` is held; where. Nothing: as many as may be are held already. Whether the chunk is still what it
  /// was must be looked at afterwards.
  [[nodiscard]] std::optional<std::uint32_t> add(std::uint32_t chunk) noexcept {
    for (std::uint32_t slot = 0; slot < words_.size(); ++slot) {
      // Acquire: what the last holder of the slot read comes before what follows.
      if (words_[slot].load_acquire() != 0) continue;
      SLUICE_KILL_POINT("slick.hold.wanted");
      words_[slot].store_relaxed(chunk + 1);
      SLUICE_KILL_POINT("slick.hold.stored");
      // SYNC hold→scan (Dekker with ChunkPool::look_around): the caller's look comes after the hold is visible.
      shm::fence_seq_cst();
      return slot;
    }
    return std::nullopt;
  }

  /// Any thread.
  void release(std::uint32_t slot) noexcept {
    if (slot >= words_.size()) return;  // of a position that only bytes of nobody's can have led to
    words_[slot].store_release(0);
    SLUICE_KILL_POINT("slick.hold.released");
    shm::fence_seq_cst();
    if (released_.waiting()) released_.ring();
  }

  /// As Reader::arm, for whoever waits until something is released. Nothing: there is a place.
  [[nodiscard]] std::optional<WaitFor> arm(std::chrono::nanoseconds at_most) noexcept {
    const std::uint32_t value = released_.arm();
    if (!full()) return std::nullopt;
    return WaitFor{&released_.word(), value, at_most};
  }

  [[nodiscard]] bool full() const noexcept {
    for (const auto& word : words_) {
      if (word.load_acquire() == 0) return false;
    }
    return true;
  }

 private:
  std::span<shm::SharedAtomic<std::uint32_t>> words_;
  shm::Doorbell released_{};  ///< Of this process alone.
};

}  // namespace sluice::slick
