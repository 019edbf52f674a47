#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <sluice/slick/layout.hpp>

/// A segment's file read with pread, without mapping it: a file that shrinks is then an error and not a signal.
namespace sluice::slick {

/// The header without the atomics.
struct HeaderBytes {
  std::uint64_t reserved;
  std::uint32_t capacity;
  std::uint32_t element_size;
  std::uint64_t last_published;
  std::uint32_t magic;
  std::uint8_t zero0[20];
  std::uint32_t init_state;
  std::uint8_t zero1[12];
};
static_assert(sizeof(HeaderBytes) == sizeof(RingHeader));

struct SlotBytes {
  std::uint64_t data_index;
  std::uint32_t size;
  std::uint32_t padding;
};
static_assert(sizeof(SlotBytes) == sizeof(RingSlot));

/// Nothing when the file is shorter than a header.
inline std::optional<HeaderBytes> read_header(int fd) {
  HeaderBytes header{};
  return ::pread(fd, &header, sizeof header, 0) == sizeof header ? std::optional(header) : std::nullopt;
}

/// Calls `look(slot)` for each slot in order until it returns false. False: it did, or the file is too short.
template <typename Look>
bool for_each_slot(int fd, std::uint64_t capacity, Look look) {
  std::vector<SlotBytes> slots(std::min<std::uint64_t>(capacity, 4096));
  for (std::uint64_t done = 0; done < capacity;) {
    const std::size_t count = std::min<std::uint64_t>(slots.size(), capacity - done);
    const auto offset = static_cast<off_t>(sizeof(RingHeader) + done * sizeof(SlotBytes));
    const auto bytes = static_cast<ssize_t>(count * sizeof(SlotBytes));
    if (::pread(fd, slots.data(), static_cast<std::size_t>(bytes), offset) != bytes) return false;
    for (const SlotBytes& slot : std::span(slots).first(count)) {
      if (!look(slot)) return false;
    }
    done += count;
  }
  return true;
}

/// Fresh memory is zero, initialising writes 1, publishing at least 1: a size of 0 in any slot means "still being
/// made".
inline bool slots_are_initialised(int fd, std::uint64_t capacity) {
  return for_each_slot(fd, capacity, [](const SlotBytes& slot) { return slot.size != 0; });
}

/// Throws the Error that there is no segment at `path`, with the nearest file that exists.
[[noreturn]] void throw_absent(const std::string& path);

}  // namespace sluice::slick
