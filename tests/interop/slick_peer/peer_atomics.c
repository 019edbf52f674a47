// Atomic accesses to shared memory for Python, which has none. Every function takes the address of a word. Memory
// orders are part of the names, because the queue's versions differ in them.
//
// Compare-exchange returns what it saw, so that equality with `expected` means success. It is therefore the strong
// form, also where the original uses the weak one in a loop: a spurious failure could not be told from success.
#include <stdint.h>

uint64_t peer_load_relaxed_64(const uint64_t* word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }
uint64_t peer_load_acquire_64(const uint64_t* word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
uint32_t peer_load_relaxed_32(const uint32_t* word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }
uint32_t peer_load_acquire_32(const uint32_t* word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

void peer_store_relaxed_64(uint64_t* word, uint64_t value) { __atomic_store_n(word, value, __ATOMIC_RELAXED); }
void peer_store_release_64(uint64_t* word, uint64_t value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }
void peer_store_relaxed_32(uint32_t* word, uint32_t value) { __atomic_store_n(word, value, __ATOMIC_RELAXED); }
void peer_store_release_32(uint32_t* word, uint32_t value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }

uint64_t peer_fetch_add_release_64(uint64_t* word, uint64_t value) {
  return __atomic_fetch_add(word, value, __ATOMIC_RELEASE);
}

uint64_t peer_compare_exchange_relaxed_64(uint64_t* word, uint64_t expected, uint64_t desired) {
  __atomic_compare_exchange_n(word, &expected, desired, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return expected;
}

uint64_t peer_compare_exchange_release_64(uint64_t* word, uint64_t expected, uint64_t desired) {
  __atomic_compare_exchange_n(word, &expected, desired, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
  return expected;
}

uint64_t peer_compare_exchange_acq_rel_64(uint64_t* word, uint64_t expected, uint64_t desired) {
  __atomic_compare_exchange_n(word, &expected, desired, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
  return expected;
}

uint32_t peer_compare_exchange_acq_rel_32(uint32_t* word, uint32_t expected, uint32_t desired) {
  __atomic_compare_exchange_n(word, &expected, desired, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
  return expected;
}

void peer_fence_acquire(void) { __atomic_thread_fence(__ATOMIC_ACQUIRE); }
void peer_fence_release(void) { __atomic_thread_fence(__ATOMIC_RELEASE); }
