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

bool advance_horizon(TopicFile& file) noexcept {
  TopicControl& control = file.control();
  const std::uint64_t reserved = control.reserved.load_acquire();
  // SYNC join→scan (Dekker with Reader::join): a reader that this scan misses has read a `reserved` not below ours.
  shm::fence_seq_cst();
  std::uint64_t oldest = reserved;
  if (file.reliable()) {
    const SlowestReader slowest = slowest_reader(file);
    if (slowest.found()) oldest = std::min(oldest, slowest.cursor);
  }
  const std::uint64_t target = std::min(reserved + file.geometry().horizon_step, oldest + file.geometry().capacity);
  if (target <= reserved) return false;

  // A producer that was granted h and is still about to store into its cell must be fenced before that cell can be
  // granted again. Every h with h + capacity < target lies below `reserved` as loaded above, so its grant, and before
  // it its INTENT, is visible here.
  const std::uint64_t capacity = file.geometry().capacity;
  fence_writers(file, [&](std::uint64_t h) { return h + capacity < target; });
  SLUICE_KILL_POINT("slick.horizon.decided");
  // SYNC horizon: release, so that whoever is granted a position by it sees the cursors and the fences behind it.
  control.horizon.raise_to_acq_rel(target);
  SLUICE_KILL_POINT("slick.horizon.raised");
  return true;
}

std::uint32_t count_live_readers(const TopicFile& file) noexcept {
  std::uint32_t count = 0;
  for (std::uint32_t k = 0, end = file.reader_entries(); k < end; ++k) {
    const EntryState state = entry_state(file.reader(k).state.load_acquire());
    if (state == EntryState::active && file.lock().held_by_other(file.reader_byte(k))) ++count;
  }
  return count;
}

std::uint32_t count_live_writers(const TopicFile& file) noexcept {
  std::uint32_t count = 0;
  for (std::uint32_t k = 0, end = file.writer_entries(); k < end; ++k) {
    const auto state = static_cast<EntryState>(file.writer(k).state.load_acquire());
    if (state == EntryState::active && file.lock().held_by_other(file.writer_byte(k))) ++count;
  }
  return count;
}

bool owner_lives(const TopicFile& file, std::uint64_t position) noexcept {
  for (std::uint32_t k = 0, end = file.writer_entries(); k < end; ++k) {
    const std::uint64_t record = file.writer(k).record.load_acquire();
    if (record_state(record) == RecordState::idle || record_position(record) != position) continue;
    if (file.lock().held_by_other(file.writer_byte(k))) return true;
  }
  return false;
}

namespace {

/// Runs `free_entry` under the entry's lock byte if nobody holds it. The lock is the right to change a dead owner's
/// entry: a new owner would have to take it first.
template <typename FreeEntry>
bool reclaim_if_dead(TopicFile& file, shm::ByteRange byte, FreeEntry free_entry) noexcept {
  try {
    if (file.lock().held_by_other(byte) || !file.lock().try_lock_exclusive(byte)) return false;
  } catch (const Error&) {
    return false;
  }
  SLUICE_KILL_POINT("slick.reclaim.locked");
  free_entry();
  SLUICE_KILL_POINT("slick.reclaim.freed");
  file.lock().unlock(byte);
  SLUICE_KILL_POINT("slick.reclaim.unlocked");
  return true;
}

}  // namespace

bool reclaim_reader_if_dead(TopicFile& file, std::uint32_t entry) noexcept {
  return reclaim_if_dead(file, file.reader_byte(entry), [&] {
    auto& state = file.reader(entry).state;
    state.store_release(with_state(state.load_relaxed(), EntryState::free));
  });
}

bool reclaim_writer_if_dead(TopicFile& file, std::uint32_t entry) noexcept {
  return reclaim_if_dead(file, file.writer_byte(entry), [&] {
    file.writer(entry).record.store_release(kRecordIdle);
    SLUICE_KILL_POINT("slick.reclaim.record_cleared");
    file.writer(entry).state.store_release(static_cast<std::uint32_t>(EntryState::free));
  });
}

}  // namespace sluice::slick
