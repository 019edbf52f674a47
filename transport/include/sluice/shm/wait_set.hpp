#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <sluice/export.hpp>
#include <sluice/shm/atomic.hpp>
#include <sluice/shm/deadline.hpp>
#include <sluice/shm/doorbell.hpp>

namespace sluice::shm {

/// Waits on many futex words at once, for an executor with many topics.
///
/// One futex_waitv call takes 128 words: 127 of the caller's and our own interrupt word. Each further group of 127 gets
/// a helper thread, made when first needed, that parks on its group and interrupts the caller; it stays parked from one
/// wait to the next as long as all of its group are `kept`. Where the kernel has no
/// futex_waitv (before 5.16, or forbidden by a sandbox), the words are polled every millisecond.
///
/// Thread safety: one thread waits at a time; `interrupt` may be called by any thread and from a signal handler.
class SLUICE_EXPORT WaitSet {
 public:
  static constexpr std::size_t kGroup = 127;  ///< Words per thread; one of futex_waitv's 128 is our own.

  /// One word to wait on.
  struct Entry {
    const SharedAtomic<std::uint32_t>* word;  ///< Must stay mapped until the next call of wait, or until destruction.
    std::uint32_t expected;                   ///< Waits while the word has this value.

    /// The last wait had this entry too, and its mapping has not been replaced since: whoever still sleeps on it need
    /// not be told anew. An address alone does not say that, for another topic's file may be mapped there by now.
    bool kept = false;
  };

  /// How it waits: in one system call, or by looking every millisecond.
  enum class Method { futex_waitv, polling };

  WaitSet();
  explicit WaitSet(Method method);  ///< `polling` is for tests; the default asks the kernel once.
  ~WaitSet();
  WaitSet(const WaitSet&) = delete;
  WaitSet& operator=(const WaitSet&) = delete;

  /// Returns when a word differs from what was expected or is woken, when interrupted, or at the deadline.
  WaitResult wait(std::span<const Entry> entries, Deadline deadline);

  /// Makes the current wait, or else the next one, return at once. Async-signal-safe.
  void interrupt() noexcept;

  /// What was chosen when it was made.
  [[nodiscard]] Method method() const noexcept { return method_; }

  /// Asked of the kernel once per process.
  [[nodiscard]] static bool kernel_has_futex_waitv() noexcept;

 private:
  class Helper;
  WaitResult wait_with_kernel(std::span<const Entry> entries, Deadline deadline);
  WaitResult wait_by_polling(std::span<const Entry> entries, Deadline deadline);

  Method method_;
  SharedAtomic<std::uint32_t> interrupted_;
  std::vector<std::unique_ptr<Helper>> helpers_;
};

}  // namespace sluice::shm
