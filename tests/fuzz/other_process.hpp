#pragma once

#include <algorithm>

#include <sluice/slick/ring.hpp>

#include "fuzz/input.hpp"

namespace sluice::fuzz {

/// A process that does not keep to the rules: it stores into header and slots what the input says. Values near those
/// that mean something are likely.
class OtherProcess {
 public:
  OtherProcess(const slick::RingMemory& memory, Input& input) : memory_(memory), input_(input) {}

  void store() {
    slick::RingHeader& header = *memory_.header;
    slick::RingSlot& slot = memory_.slots[input_.below(memory_.capacity)];
    switch (input_.below(9)) {
      case 0: slot.data_index.store_relaxed(near_the_end()); break;
      case 1: slot.data_index.store_relaxed(belonging_to(slot)); break;
      case 2: slot.data_index.store_relaxed(input_.take<std::uint64_t>()); break;
      case 3: slot.size.store_relaxed(input_.take<std::uint8_t>()); break;
      case 4: slot.size.store_relaxed(input_.take<std::uint32_t>()); break;
      case 5: header.reserved.store_relaxed(slick::make_reserved(near_the_end(), input_.take<std::uint8_t>())); break;
      case 6: header.reserved.store_relaxed(input_.take<std::uint64_t>()); break;
      case 7: header.last_published.store_relaxed(input_.take<std::uint64_t>()); break;
      case 8: forget_the_shape(header); break;
    }
  }

 private:
  [[nodiscard]] std::uint64_t end() const { return slick::reserved_index(memory_.header->reserved.load_relaxed()); }
  [[nodiscard]] std::uint64_t near_the_end() {
    return end() + static_cast<std::uint64_t>(std::int64_t{input_.take<std::int8_t>()});
  }

  /// An index of the last laps or the next one that a message in this slot can have.
  [[nodiscard]] std::uint64_t belonging_to(const slick::RingSlot& slot) {
    const auto place = static_cast<std::uint64_t>(&slot - memory_.slots);
    const std::uint64_t lap = end() / memory_.capacity + 1 - input_.below(4);
    return lap * memory_.capacity + place;
  }

  /// Nobody may believe these two after attaching.
  void forget_the_shape(slick::RingHeader& header) {
    header.capacity = input_.take<std::uint32_t>();
    header.element_size = input_.take<std::uint32_t>();
  }

  slick::RingMemory memory_;
  Input& input_;
};

/// Header and slots from the input's bytes; a slot's index is mostly one that fits into it.
inline void fill_as_a_process(const slick::RingMemory& memory, Input& input) {
  slick::initialise_ring(memory);
  memory.header->reserved.store_relaxed(input.take<std::uint64_t>());
  OtherProcess writer(memory, input);
  for (std::uint32_t count = input.below(2 * memory.capacity); count > 0 && !input.empty(); --count) writer.store();
}

}  // namespace sluice::fuzz
