#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <thread>

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/wait_set.hpp>
#include <sluice/transport.hpp>

namespace sluice::detail {

/// Sleeps on futex words for those who can only wait for descriptors: one thread a process, which makes a descriptor
/// readable when its word changes. A word is watched once for each call of watch.
///
/// Invariants:
///  1. `watched_` and `round_` are used under `mutex_`; the thread sleeps without it, on a copy.
///  2. A word may be unmapped only when the thread no longer sleeps on a copy that has it: `forget` waits for the
///     thread to begin another round.
///
/// Thread safety: any.
class ReadyWatch {
 public:
  ReadyWatch();
  ~ReadyWatch();
  ReadyWatch(const ReadyWatch&) = delete;
  ReadyWatch& operator=(const ReadyWatch&) = delete;

  /// Makes `fd`, an eventfd, readable when the word has changed or the time is over.
  void watch(int fd, const WaitFor& wait);

  /// From now on `fd` and its word are left alone. Waits for the thread to take notice.
  void forget(int fd) noexcept;

 private:
  struct Watched {
    WaitFor wait;
    shm::Deadline until;
  };

  void run();
  void ring_those_that_are_ready();

  std::mutex mutex_;
  std::condition_variable next_round_;
  std::map<int, Watched> watched_;
  std::uint64_t round_ = 0;
  bool sleeping_ = false;
  bool ended_ = false;
  shm::WaitSet wait_set_;
  std::thread thread_;
};

}  // namespace sluice::detail
