// What Python cannot do: locked words in shared memory, the futex, and the originals' write and read, which must take
// as long as theirs do. Every address is a number, because Python keeps it as one.
#define _GNU_SOURCE
#include <linux/futex.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { kSequence = 0, kDataSize = 4, kData = 8, kReadCount = 8, kWakeSequence = 16, kWaiters = 20 };
enum { kSpins = 1000, kPollNanoseconds = 100 * 1000, kLongestPark = 50 * 1000 * 1000 };

enum Step { kStepOdd = 1, kStepHalfData, kStepData, kStepSize, kStepEven, kStepWriteCount, kStepWakeSequence };
enum Copied { kCopied, kStillOdd, kTooSmall, kKeptChanging };

static uint32_t* word_32(uint64_t address) { return (uint32_t*)(uintptr_t)address; }
static uint64_t* word_64(uint64_t address) { return (uint64_t*)(uintptr_t)address; }

uint32_t eshm_peer_load_32(uint64_t address) { return __atomic_load_n(word_32(address), __ATOMIC_SEQ_CST); }
uint64_t eshm_peer_load_64(uint64_t address) { return __atomic_load_n(word_64(address), __ATOMIC_SEQ_CST); }
void eshm_peer_store_32(uint64_t address, uint32_t value) {
  __atomic_store_n(word_32(address), value, __ATOMIC_SEQ_CST);
}
void eshm_peer_store_64(uint64_t address, uint64_t value) {
  __atomic_store_n(word_64(address), value, __ATOMIC_SEQ_CST);
}
void eshm_peer_add_32(uint64_t address, uint32_t value) {
  __atomic_fetch_add(word_32(address), value, __ATOMIC_SEQ_CST);
}
void eshm_peer_add_64(uint64_t address, uint64_t value) {
  __atomic_fetch_add(word_64(address), value, __ATOMIC_SEQ_CST);
}

int eshm_peer_wake_all(uint64_t address) {
  return (int)syscall(SYS_futex, word_32(address), FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

// A signal to this very thread is delivered before the call returns, so nothing is executed after the step.
static int ends_here(int step, int wanted, int signal) {
  if (step != wanted) return 0;
  if (signal == 0) return 1;
  syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signal);
  return 0;
}

// An even value is not forced anywhere: after a writer that died inside, the parity is inverted for ever (H1).
static void step_sequence(uint64_t channel) {
  uint32_t* sequence = word_32(channel + kSequence);
  __atomic_store_n(sequence, __atomic_load_n(sequence, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}

static int publish(uint64_t channel, uint64_t counters, int wakes, int step, int signal) {
  eshm_peer_add_64(channel + counters, 1);
  if (ends_here(kStepWriteCount, step, signal) || !wakes) return 0;
  const uint64_t wake_sequence = channel + counters + kWakeSequence;
  __atomic_fetch_add(word_32(wake_sequence), 1, __ATOMIC_RELEASE);
  if (ends_here(kStepWakeSequence, step, signal)) return 0;
  if (__atomic_load_n(word_32(channel + counters + kWaiters), __ATOMIC_ACQUIRE) == 0) return 0;
  return eshm_peer_wake_all(wake_sequence);
}

// How many sleepers it woke. After `step` the writer gets `signal`, or with 0 leaves the write as it is.
int eshm_peer_write(uint64_t channel, uint64_t counters, int wakes, const char* bytes, uint32_t size, int step,
                    int signal) {
  char* data = (char*)(uintptr_t)(channel + kData);
  const uint32_t half = size / 2;
  step_sequence(channel);
  __atomic_thread_fence(__ATOMIC_RELEASE);
  if (ends_here(kStepOdd, step, signal)) return 0;
  memcpy(data, bytes, half);
  if (ends_here(kStepHalfData, step, signal)) return 0;
  memcpy(data + half, bytes + half, size - half);
  if (ends_here(kStepData, step, signal)) return 0;
  __atomic_store_n(word_32(channel + kDataSize), size, __ATOMIC_RELAXED);
  if (ends_here(kStepSize, step, signal)) return 0;
  __atomic_thread_fence(__ATOMIC_RELEASE);
  step_sequence(channel);
  if (ends_here(kStepEven, step, signal)) return 0;
  return publish(channel, counters, wakes, step, signal);
}

static int beyond(uint64_t channel, uint64_t counters, uint64_t last) {
  return eshm_peer_load_64(channel + counters) > last;
}

static void park(uint64_t channel, uint64_t counters, uint64_t last, uint64_t nanoseconds) {
  uint32_t* wake_sequence = word_32(channel + counters + kWakeSequence);
  const uint32_t seen = __atomic_load_n(wake_sequence, __ATOMIC_ACQUIRE);
  if (beyond(channel, counters, last)) return;
  const struct timespec limit = {0, (long)(nanoseconds < kLongestPark ? nanoseconds : kLongestPark)};
  eshm_peer_add_32(channel + counters + kWaiters, 1);
  syscall(SYS_futex, wake_sequence, FUTEX_WAIT, seen, &limit, NULL, 0);
  eshm_peer_add_32(channel + counters + kWaiters, UINT32_MAX);
}

// Whether write_count passed `last`. Version 3 parks once and then answers; version 2 polls to the end of the time.
int eshm_peer_await(uint64_t channel, uint64_t counters, int parks, uint64_t last, uint64_t nanoseconds) {
  const uint64_t end = now() + nanoseconds;
  if (parks) {
    for (int spin = 0; spin < kSpins; ++spin) {
      if (beyond(channel, counters, last)) return 1;
    }
    park(channel, counters, last, nanoseconds);
    return beyond(channel, counters, last);
  }
  const struct timespec poll = {0, kPollNanoseconds};
  for (;;) {
    if (beyond(channel, counters, last)) return 1;
    if (now() >= end) return 0;
    nanosleep(&poll, NULL);
  }
}

static int await_even(uint64_t channel, uint32_t* sequence, uint64_t nanoseconds) {
  uint64_t end = 0;
  while ((*sequence = __atomic_load_n(word_32(channel + kSequence), __ATOMIC_ACQUIRE)) & 1) {
    if (end == 0) end = now() + nanoseconds;
    if (now() >= end) return 0;
  }
  return 1;
}

// `tries` 0 is for ever. As in the originals the buffer is judged before the copy is known to be whole.
int eshm_peer_copy(uint64_t channel, void* buffer, uint32_t capacity, uint32_t* size, uint64_t odd_nanoseconds,
                   uint32_t tries) {
  for (uint32_t attempt = 0; tries == 0 || attempt < tries; ++attempt) {
    uint32_t sequence;
    if (!await_even(channel, &sequence, odd_nanoseconds)) return kStillOdd;
    *size = __atomic_load_n(word_32(channel + kDataSize), __ATOMIC_RELAXED);
    if (*size > capacity) return kTooSmall;
    memcpy(buffer, (const void*)(uintptr_t)(channel + kData), *size);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (__atomic_load_n(word_32(channel + kSequence), __ATOMIC_RELAXED) == sequence) return kCopied;
  }
  return kKeptChanging;
}

void eshm_peer_count_read(uint64_t channel, uint64_t counters) { eshm_peer_add_64(channel + counters + kReadCount, 1); }
