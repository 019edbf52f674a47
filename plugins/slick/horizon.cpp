#include "slick/horizon.hpp"

#include <algorithm>

namespace sluice::slick {

Consumer slowest_consumer(const TopicFile& file) noexcept {
  Consumer slowest;
  for_each_consumer(file, [&](const Consumer& consumer) {
    if (consumer.cursor < slowest.cursor) slowest = consumer;
  });
  return slowest;
}

std::uint64_t find_horizon(const TopicFile& file, std::uint64_t reserved, std::uint64_t end) noexcept {
  // SYNC join→scan (Dekker with Reader::join): a reader that this scan misses has read a `reserved` not below ours.
  shm::fence_seq_cst();
  std::uint64_t oldest = reserved;
  if (file.reliable()) {
    oldest = std::min(oldest, slowest_consumer(file).cursor);
  }
  const std::uint64_t wanted = std::max(reserved + file.geometry().horizon_step, end);
  return std::min(wanted, oldest + file.geometry().reach);
}

void raise_horizon(TopicFile& file, std::uint64_t target) noexcept {
  // SYNC horizon: release, so that whoever is granted a position by it sees the cursors and the fences behind it.
  file.control().horizon.raise_to_acq_rel(target);
  SLUICE_KILL_POINT("slick.horizon.raised");
}

bool advance_horizon(TopicFile& file) noexcept {
  const std::uint64_t reserved = file.control().reserved.load_acquire();
  const std::uint64_t target = find_horizon(file, reserved, reserved + 1);
  if (target <= reserved) return false;

  // A producer that was granted h and is still about to store into its cell must be fenced before that cell can be
  // granted again. Every h with h + capacity < target lies below `reserved` as loaded above, so its grant, and before
  // it its INTENT, is visible here.
  const std::uint64_t capacity = file.geometry().capacity;
  fence_writers(file, [&](std::uint64_t record) { return record_position(record) + capacity < target; });
  SLUICE_KILL_POINT("slick.horizon.decided");
  raise_horizon(file, target);
  return true;
}

}  // namespace sluice::slick
