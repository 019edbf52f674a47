#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

namespace sluice::slick {

/// Which thread takes from a subscription of this process, so that a publisher that finds the topic full for it knows
/// when it would wait for itself. One for each reader entry in use here.
class OwnReader {
 public:
  /// `topic`: the inode of the topic's file; `entry`: the reader entry in it.
  OwnReader(std::uint64_t topic, std::uint32_t entry);
  ~OwnReader();
  OwnReader(const OwnReader&) = delete;
  OwnReader& operator=(const OwnReader&) = delete;

  /// The calling thread takes, or is about to sleep until it can.
  void taken_from_here() noexcept { taker_.store(this_thread(), std::memory_order_relaxed); }

  /// Whether the calling thread is the one that took last.
  [[nodiscard]] bool is_taken_from_here() const noexcept {
    return taker_.load(std::memory_order_relaxed) == this_thread();
  }

  /// `settle` shows publishers everything that was given back; called by the thread that takes. Whoever is about to end
  /// takes it back with nullptr: afterwards it is not called any more, by no thread.
  void on_full(std::function<void()> settle);

  /// As is_taken_from_here for the subscription with this entry; false when it is another process's. Any thread.
  [[nodiscard]] static bool is_own(std::uint64_t topic, std::uint32_t entry) noexcept;

  /// Before the calling thread waits for this subscription: if it is its own, nobody else would settle it.
  static void settle_own(std::uint64_t topic, std::uint32_t entry);

 private:
  /// One instruction, where std::this_thread::get_id is a call: every take asks.
  [[nodiscard]] static std::uintptr_t this_thread() noexcept {
    return reinterpret_cast<std::uintptr_t>(__builtin_thread_pointer());
  }

  std::uint64_t topic_;
  std::uint32_t entry_;
  std::function<void()> settle_;          ///< Under the lock of all.
  std::atomic<std::uintptr_t> taker_{0};  ///< Nobody until the first take.
};

}  // namespace sluice::slick
