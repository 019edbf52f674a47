#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace sluice::slick {

/// Which positions of a reliable subscription were given back, and the oldest that was not. The thread that takes hands
/// positions out; any thread gives them back, in any order.
///
/// A cell remembers the position, not a bit: what somebody gives back who slept for a lap, or who had it before the
/// reader was evicted, is told from what is out now.
class ReleasedPositions {
 public:
  void start(std::uint64_t capacity) {
    released_ = std::vector<std::atomic<std::uint64_t>>(capacity);
    mask_ = capacity - 1;
  }

  /// Everything below `position` counts as given back. Nobody else is inside `settle`: see `alone`.
  void restart(std::uint64_t position) noexcept {
    oldest_.store(position, std::memory_order_relaxed);
    next_.store(position, std::memory_order_release);
  }

  /// The taking thread went past `next - 1`.
  void hand_out_until(std::uint64_t next) noexcept { next_.store(next, std::memory_order_release); }

  /// The taking thread, which is the one that restarts: what is older than that is nobody's any more.
  void give_back_here(std::uint64_t position) noexcept {
    if (position < oldest_.load(std::memory_order_relaxed)) return;
    released_[position & mask_].store(position + 1, std::memory_order_release);
  }

  /// Any other thread: it may have slept while the cell went to a later lap.
  void give_back(std::uint64_t position) noexcept {
    std::atomic<std::uint64_t>& cell = released_[position & mask_];
    std::uint64_t found = cell.load(std::memory_order_relaxed);
    while (found < position + 1 &&
           !cell.compare_exchange_weak(found, position + 1, std::memory_order_release, std::memory_order_relaxed)) {
    }
  }

  /// Calls `publish(oldest)` with the oldest position that is out. Of several threads that settle at once one does it
  /// for all, and nobody waits: a request that comes in while it is at it makes it look again.
  template <typename Publish>
  void settle(Publish publish) noexcept {
    if (requests_.fetch_add(1, std::memory_order_seq_cst) != 0) return;
    std::uint32_t seen = 1;
    do {
      seen = requests_.load(std::memory_order_seq_cst);
      publish(advance());
    } while (!requests_.compare_exchange_strong(seen, 0, std::memory_order_seq_cst));
  }

  /// Runs `change` while nobody settles. For rare cases: waits for one who does.
  template <typename Change>
  void alone(Change change) noexcept {
    std::uint32_t nobody = 0;
    while (!requests_.compare_exchange_weak(nobody, 1, std::memory_order_seq_cst)) {
      nobody = 0;
      std::this_thread::yield();
    }
    change();
    requests_.store(0, std::memory_order_seq_cst);
  }

 private:
  std::uint64_t advance() noexcept {
    std::uint64_t oldest = oldest_.load(std::memory_order_relaxed);
    const std::uint64_t next = next_.load(std::memory_order_acquire);
    while (oldest < next && released_[oldest & mask_].load(std::memory_order_acquire) == oldest + 1) ++oldest;
    oldest_.store(oldest, std::memory_order_relaxed);
    return oldest;
  }

  std::vector<std::atomic<std::uint64_t>> released_;
  std::uint64_t mask_ = 0;
  std::atomic<std::uint64_t> next_{0};
  std::atomic<std::uint64_t> oldest_{0};  ///< Written by whoever settles.
  std::atomic<std::uint32_t> requests_{0};
};

}  // namespace sluice::slick
