#pragma once

#include <optional>

#include <sluice/shm/atomic.hpp>

#include "limits/payload.hpp"

namespace sluice::bench::limits {

/// The bare cache line: one word that goes over. Nothing between two processors is faster, and no message fits in it.
///
///     sender   word = i      store, release
///     receiver word == i?    load, acquire
class Line {
 public:
  struct alignas(shm::kIsolation) Memory {
    shm::SharedAtomic<std::uint64_t> word;
  };

  explicit Line(Memory& memory) noexcept : memory_(memory) {}

  void send_copy(std::span<const std::byte> /*payload*/) noexcept { memory_.word.store_release(++sent_); }

  [[nodiscard]] std::optional<std::uint64_t> try_receive() noexcept {
    if (memory_.word.load_acquire() == received_) return std::nullopt;
    return ++received_;
  }

 private:
  Memory& memory_;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
};

}  // namespace sluice::bench::limits
