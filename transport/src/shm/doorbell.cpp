#include <sluice/shm/doorbell.hpp>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include <sluice/shm/kill_point.hpp>
#include <sluice/shm/sleep.hpp>

namespace sluice::shm {

void futex_wake_all(const SharedAtomic<std::uint32_t>& word) noexcept {
  const int saved = errno;  // called from signal handlers too
  ::syscall(SYS_futex, word.address(), FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
  errno = saved;
}

WaitResult futex_wait(const SharedAtomic<std::uint32_t>& word, std::uint32_t expected, Deadline deadline) noexcept {
  // FUTEX_WAIT_BITSET takes an absolute time of CLOCK_MONOTONIC, so that a wait resumed after a signal is not longer.
  const timespec until = deadline.as_timespec();
  const ObservedSleep observed;
  const long result = ::syscall(SYS_futex, word.address(), FUTEX_WAIT_BITSET, expected,
                                deadline.is_never() ? nullptr : &until, nullptr, FUTEX_BITSET_MATCH_ANY);
  const bool late = result == -1 && errno == ETIMEDOUT;  // what observes the end of the sleep may change errno
  return late ? WaitResult::timeout : WaitResult::rung;
}

void Doorbell::ring() noexcept {
  std::uint32_t found = word_.load_relaxed();
  while ((found & kWaiting) != 0) {
    if (word_.compare_exchange_seq_cst(found, (found & ~kWaiting) + 2)) {
      SLUICE_KILL_POINT("doorbell.cleared");
      futex_wake_all(word_);
      SLUICE_KILL_POINT("doorbell.rung");
      return;
    }
  }
}

WaitResult Doorbell::sleep(std::uint32_t value, Deadline deadline) const noexcept {
  return futex_wait(word_, value, deadline);
}

}  // namespace sluice::shm
