#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <type_traits>

namespace sluice::shm {

static_assert(std::endian::native == std::endian::little, "Sluice's formats are little-endian");
static_assert(sizeof(void*) == 8, "Sluice needs a 64-bit machine");

/// The one way to touch a word that other processes touch too. Every access names its memory order, so that a reader of
/// the code sees the order where the access is, and a search for `std::atomic` in code on shared memory finds nothing.
/// Trivial, so that it can be laid over mapped bytes. Lock-free by assertion: a lock inside libatomic is per process.
template <typename T>
class SharedAtomic {
  static_assert(std::is_integral_v<T> && (sizeof(T) == 4 || sizeof(T) == 8));
  static_assert(std::atomic_ref<T>::is_always_lock_free);
  static_assert(std::atomic_ref<T>::required_alignment <= sizeof(T));

 public:
  SharedAtomic() = default;
  SharedAtomic(const SharedAtomic&) = delete;
  SharedAtomic& operator=(const SharedAtomic&) = delete;

  /// Orders nothing else: for a word that speaks of itself alone.
  [[nodiscard]] T load_relaxed() const noexcept { return __atomic_load_n(&value_, __ATOMIC_RELAXED); }

  /// What the writer stored before its release is visible to what follows this load.
  [[nodiscard]] T load_acquire() const noexcept { return __atomic_load_n(&value_, __ATOMIC_ACQUIRE); }

  /// As load_acquire, and in the one order of all seq_cst accesses: one half of a Dekker handshake.
  [[nodiscard]] T load_seq_cst() const noexcept { return __atomic_load_n(&value_, __ATOMIC_SEQ_CST); }

  /// Publishes nothing but the word itself.
  void store_relaxed(T value) noexcept { __atomic_store_n(&value_, value, __ATOMIC_RELAXED); }

  /// Publishes what this thread stored before.
  void store_release(T value) noexcept { __atomic_store_n(&value_, value, __ATOMIC_RELEASE); }

  /// As store_release, in the one order of all seq_cst accesses. A locked instruction on x86-64.
  void store_seq_cst(T value) noexcept { __atomic_store_n(&value_, value, __ATOMIC_SEQ_CST); }

  /// Returns the value found. A full barrier on x86-64; see fence_after_seq_cst_rmw.
  T exchange_seq_cst(T value) noexcept { return __atomic_exchange_n(&value_, value, __ATOMIC_SEQ_CST); }

  /// Returns the value found. For counters: orders nothing else.
  T fetch_add_relaxed(T value) noexcept { return __atomic_fetch_add(&value_, value, __ATOMIC_RELAXED); }

  /// Returns the value found; acquires what its writer released and releases what this thread stored.
  T fetch_add_acq_rel(T value) noexcept { return __atomic_fetch_add(&value_, value, __ATOMIC_ACQ_REL); }

  /// Returns the value found. As exchange_seq_cst.
  T fetch_add_seq_cst(T value) noexcept { return __atomic_fetch_add(&value_, value, __ATOMIC_SEQ_CST); }

  /// Returns the value found. As exchange_seq_cst.
  T fetch_or_seq_cst(T value) noexcept { return __atomic_fetch_or(&value_, value, __ATOMIC_SEQ_CST); }

  /// Strong compare-and-swap; on failure `expected` receives the value found (loaded with acquire).
  bool compare_exchange_acq_rel(T& expected, T desired) noexcept {
    return __atomic_compare_exchange_n(&value_, &expected, desired, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
  }

  /// As compare_exchange_acq_rel, in the one order of all seq_cst accesses; the value found, too.
  bool compare_exchange_seq_cst(T& expected, T desired) noexcept {
    return __atomic_compare_exchange_n(&value_, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  }

  /// Raises the word to `value` unless it is there already; returns the larger of the two.
  T raise_to_acq_rel(T value) noexcept {
    T found = load_relaxed();
    while (found < value) {
      if (compare_exchange_acq_rel(found, value)) return value;
    }
    return found;
  }

  /// For system calls that take the address (futex).
  [[nodiscard]] T* address() noexcept { return &value_; }
  [[nodiscard]] const T* address() const noexcept { return &value_; }

 private:
  T value_;
};

static_assert(sizeof(SharedAtomic<std::uint32_t>) == 4 && sizeof(SharedAtomic<std::uint64_t>) == 8);
static_assert(std::is_trivially_default_constructible_v<SharedAtomic<std::uint64_t>>);
static_assert(std::is_standard_layout_v<SharedAtomic<std::uint64_t>>);

// Fences stay what they are under ThreadSanitizer, which carries them out and draws no conclusion from them. No plain
// access in this project is ordered by a fence alone: they decide which values the atomics around an unvalidated copy
// can have. Standing in for them with a read-modify-write of one global word would order more than fences do, and hide
// races (docs/testing.md, "Race detection").

/// Loads before it are not reordered with what follows it.
inline void fence_acquire() noexcept { std::atomic_thread_fence(std::memory_order_acquire); }

/// Stores after it are not seen before what precedes it.
inline void fence_release() noexcept { std::atomic_thread_fence(std::memory_order_release); }

/// A full barrier: also between an earlier store and a later load.
inline void fence_seq_cst() noexcept { std::atomic_thread_fence(std::memory_order_seq_cst); }

/// Makes a seq_cst read-modify-write of this thread a full barrier for what follows it. On x86-64 every locked
/// instruction is one already, and only the compiler has to be told.
inline void fence_after_seq_cst_rmw() noexcept {
#if defined(__x86_64__)
  std::atomic_signal_fence(std::memory_order_seq_cst);
#else
  fence_seq_cst();
#endif
}

/// Bytes that move between cores together.
inline constexpr std::size_t kCacheLine = 64;

/// Bytes kept between words of different writers: two lines, because the hardware prefetches lines in pairs.
inline constexpr std::size_t kIsolation = 128;

/// Asks for the cache line at `address` in a state in which it can be written. A hint: any address is allowed.
inline void prefetch_for_writing(const void* address) noexcept {
#if defined(__x86_64__)
  // The compiler's builtin becomes a prefetch for reading unless it may assume this instruction; processors that do not
  // know it ignore it.
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(address)));
#else
  __builtin_prefetch(address, 1);
#endif
}

/// Tells the processor that a loop is polling.
inline void spin_pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace sluice::shm
