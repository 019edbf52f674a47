#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>

#include <eshm.h>

#include <sluice/eshm/channel.hpp>

/// One end of a channel, as C programs hold it.
///
/// Invariants:
///  1. `channel` is set before anybody else has the handle, and taken away by eshm_destroy while it holds all three
///     mutexes; who holds one of them may use it, if it is there.
///  2. A handle's memory is never given back, and used again only after many others: a call with a handle that was
///     destroyed finds no channel.
///  3. In a forked child nothing of it is touched: its mutexes may be held by threads that do not exist there.
///
/// Thread safety: `reading` and `writing` are what Channel asks for, one thread a direction; `asking` is for the rest,
/// so that nobody waits for a sleeping reader. eshm_destroy takes them in this order.
struct ESHMHandle {
  std::timed_mutex reading;  ///< Held while a read waits.
  std::mutex writing;        ///< Held for one write.
  std::mutex asking;         ///< Held for everything else.

  std::unique_ptr<sluice::eshm::Channel> channel;  ///< Null: destroyed.
  std::atomic<bool> closing{false};                ///< A read that waits should end.
  std::atomic<std::uint32_t> fork_generation{0};   ///< Of the process that opened it.
};

namespace sluice::libeshm {

/// Opens the channel; a slave waits for its master for at most `attach_timeout_ms`. Throws Error.
[[nodiscard]] ESHMHandle* open_handle(const ESHMConfig* config, std::uint32_t attach_timeout_ms);

/// Closes it. False: it was closed already.
bool close_handle(ESHMHandle& handle);

/// The number that a C program put where an enumerator is expected; it may be none of them.
template <typename Enumeration>
[[nodiscard]] std::uint32_t number_in(const Enumeration& enumerator) noexcept {
  static_assert(sizeof(Enumeration) == sizeof(std::uint32_t));
  std::uint32_t number = 0;
  std::memcpy(&number, &enumerator, sizeof number);
  return number;
}

}  // namespace sluice::libeshm
