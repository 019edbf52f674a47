#include "slick/horizon.hpp"

#include <algorithm>

namespace sluice::slick {

SlowestReader slowest_reader(const TopicFile& file) noexcept {
  SlowestReader slowest;
  for (std::uint32_t k = 0, end = file.reader_entries(); k < end; ++k) {
    const ReaderEntry& entry = file.reader(k);
    const std::uint32_t state = entry.state.load_acquire();
    if (entry_state(state) != EntryState::active) continue;
    // SYNC cursor→horizon: acquire, so that the reader's loads of the cells it gave back come before our reuse of them.
    const std::uint64_t cursor = entry.cursor.load_acquire();
    if (cursor < slowest.cursor) slowest = {k, cursor, state};
  }
  return slowest;
}

std::uint64_t find_horizon(const TopicFile& file, std::uint64_t reserved, std::uint64_t end) noexcept {
  // SYNC join→scan (Dekker with Reader::join): a reader that this scan misses has read a `reserved` not below ours.
  shm::fence_seq_cst();
  std::uint64_t oldest = reserved;
  if (file.reliable()) {
    const SlowestReader slowest = slowest_reader(file);
    if (slowest.found()) oldest = std::min(oldest, slowest.cursor);
  }
  const std::uint64_t wanted = std::max(reserved + file.geometry().horizon_step, end);
  return std::min(wanted, oldest + file.geometry().capacity);
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
  fence_writers(file, [&](std::uint64_t h) { return h + capacity < target; });
  SLUICE_KILL_POINT("slick.horizon.decided");
  raise_horizon(file, target);
  return true;
}

}  // namespace sluice::slick
