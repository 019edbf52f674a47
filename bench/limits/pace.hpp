#pragma once

#include <optional>

#include <sluice/shm/atomic.hpp>

#include "limits/payload.hpp"

namespace sluice::bench::limits {

/// Back-pressure for what has none, so that nothing is lost and a rate means something: the sender waits when a whole
/// ring is unread. As in the cell ring, the reader's cursor goes over once in capacity / 8 messages. Around the limit
/// loop and around what is measured alike.
template <typename Link>
class Paced {
 public:
  struct Memory {
    alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> cursor;
  };

  Paced(Memory& memory, std::uint64_t capacity, Link link)
      : memory_(memory), capacity_(capacity), room_(capacity), link_(std::move(link)) {}

  void send_copy(std::span<const std::byte> payload) {
    while (sent_ >= room_) room_ = memory_.cursor.load_acquire() + capacity_;
    link_.send_copy(payload);
    ++sent_;
  }

  [[nodiscard]] std::optional<std::uint64_t> try_receive() {
    const auto number = link_.try_receive();
    if (number && ++received_ % (capacity_ / 8) == 0) memory_.cursor.store_release(received_);
    return number;
  }

 private:
  Memory& memory_;
  std::uint64_t capacity_;
  std::uint64_t room_;  ///< Messages below it may be sent.
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
  Link link_;
};

}  // namespace sluice::bench::limits
