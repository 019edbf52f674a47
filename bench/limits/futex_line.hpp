#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <optional>

#include <sluice/shm/atomic.hpp>

#include "limits/payload.hpp"

namespace sluice::bench::limits {

/// The bare futex: the receiver sleeps on the word that the sender writes. What waking somebody costs on this machine.
///
///     sender    word += 1, wake            store, release; one system call
///     receiver  word changed? else sleep   load, acquire; one system call
class FutexLine {
 public:
  struct alignas(shm::kIsolation) Memory {
    shm::SharedAtomic<std::uint32_t> word;
  };

  explicit FutexLine(Memory& memory) noexcept : memory_(memory) {}

  void send_copy(std::span<const std::byte> /*payload*/) noexcept {
    memory_.word.store_release(++sent_);
    ::syscall(SYS_futex, memory_.word.address(), FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
  }

  /// Sleeps once, then looks.
  [[nodiscard]] std::optional<std::uint64_t> try_receive() noexcept {
    if (memory_.word.load_acquire() == received_) {
      ::syscall(SYS_futex, memory_.word.address(), FUTEX_WAIT, received_, nullptr, nullptr, 0);
    }
    if (memory_.word.load_acquire() == received_) return std::nullopt;
    return ++received_;
  }

 private:
  Memory& memory_;
  std::uint32_t sent_ = 0;
  std::uint32_t received_ = 0;
};

}  // namespace sluice::bench::limits
