#pragma once

#include <cstddef>
#include <cstring>

#include <sluice/sanitizers.hpp>

#if SLUICE_THREAD_SANITIZER
#include <atomic>
#endif

namespace sluice::shm {

#if SLUICE_THREAD_SANITIZER
/// For tests in which no writer laps a reader: there the copy races with nobody, and ThreadSanitizer is to check that
/// publication orders it.
inline std::atomic<bool> watch_unvalidated_copies{false};

/// Not memcpy, not even one that the compiler recognises in a loop: ThreadSanitizer intercepts it in whatever function.
[[gnu::noinline]] __attribute__((no_sanitize("thread"))) inline void copy_unwatched(void* to, const void* from,
                                                                                    std::size_t length) noexcept {
  auto* target = static_cast<volatile std::byte*>(to);
  const auto* source = static_cast<const volatile std::byte*>(from);
  for (std::size_t i = 0; i < length; ++i) target[i] = source[i];
}
#endif

/// The one way to read bytes that a writer may be storing at the same moment. What arrives may be torn: the caller
/// believes none of it until a fence and a look at a word that writers change before their stores (the horizon, the
/// reservation, a seqlock's version) have shown that nobody came in between. The C++ memory model calls such a copy a
/// data race, as it does every seqlock's, so it is kept in one place, which ThreadSanitizer is told to leave out.
inline void copy_unvalidated(void* to, const void* from, std::size_t length) noexcept {
#if SLUICE_THREAD_SANITIZER
  if (!watch_unvalidated_copies.load(std::memory_order_relaxed)) return copy_unwatched(to, from, length);
#endif
  std::memcpy(to, from, length);
}

}  // namespace sluice::shm
