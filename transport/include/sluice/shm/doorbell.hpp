#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include <sluice/export.hpp>
#include <sluice/shm/atomic.hpp>
#include <sluice/shm/deadline.hpp>

namespace sluice::shm {

/// Why a sleep ended.
enum class WaitResult {
  rung,     ///< The word changed or somebody woke us; spurious returns are possible, so look again.
  timeout,  ///< The deadline passed.
};

/// One futex word in shared memory on which sleepers wait for something that a ringer publishes elsewhere.
///
/// Bit 0 is `waiting`; the other bits count rings. Who writes: sleepers set bit 0; ringers clear it and count.
///
///   sleeper: value = arm();  look for the thing again;  none -> sleep(value, deadline)
///   ringer:  publish the thing;  full barrier;  if (waiting()) ring()
///
/// SYNC arm→ring (Dekker): arm is a seq_cst read-modify-write followed by the look; the ringer's barrier stands between
/// its publication and its look at the bit. One of the two sees the other, so no ring is lost. Nobody waiting: no call.
///
/// A ringer that dies between clearing the bit and waking leaves the sleepers asleep: every sleeper therefore bounds
/// its sleep (kLongestSleep) and looks again. A sleeper that died costs the next ringer one call.
class Doorbell {
 public:
  static constexpr std::uint32_t kWaiting = 1;  ///< Bit 0 of the word.

  /// Announces a sleeper and returns the value to sleep on.
  [[nodiscard]] std::uint32_t arm() noexcept {
    const std::uint32_t value = word_.fetch_or_seq_cst(kWaiting) | kWaiting;
    fence_after_seq_cst_rmw();
    return value;
  }

  /// Whether somebody announced itself. Call after a seq_cst read-modify-write that follows (or is) the publication.
  [[nodiscard]] bool waiting() const noexcept {
    fence_after_seq_cst_rmw();
    return (word_.load_seq_cst() & kWaiting) != 0;
  }

  /// As `waiting`, without ordering: for polling loops that act on it later anyhow.
  [[nodiscard]] bool waiting_relaxed() const noexcept { return (word_.load_relaxed() & kWaiting) != 0; }

  /// Wakes all sleepers. One system call.
  SLUICE_EXPORT void ring() noexcept;

  /// Sleeps until rung, the value differs, or the deadline.
  SLUICE_EXPORT WaitResult sleep(std::uint32_t value, Deadline deadline) const noexcept;

  /// For those who wait on several at once (WaitSet).
  [[nodiscard]] const SharedAtomic<std::uint32_t>& word() const noexcept { return word_; }

 private:
  SharedAtomic<std::uint32_t> word_;
};

static_assert(sizeof(Doorbell) == 4);

/// The longest that anybody sleeps without looking again: the bound for a ringer that died on the doorstep.
inline constexpr std::chrono::nanoseconds kLongestSleep = std::chrono::seconds{1};

/// Wakes everybody who waits on the word, in whatever process. One system call.
SLUICE_EXPORT void futex_wake_all(const SharedAtomic<std::uint32_t>& word) noexcept;

/// Sleeps while the word has the value `expected`, until woken or the deadline. The mapping may be read-only.
SLUICE_EXPORT WaitResult futex_wait(const SharedAtomic<std::uint32_t>& word, std::uint32_t expected,
                                    Deadline deadline) noexcept;

}  // namespace sluice::shm
