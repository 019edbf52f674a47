#pragma once

#include <cstdint>
#include <string>

#include <sluice/shm/kill_point.hpp>
#include <sluice/transport.hpp>

#include "slick/topic_file.hpp"

namespace sluice::slick {

/// The tables of readers and writers in a topic's file. An entry belongs to whoever holds the lock byte at its own file
/// offset; claiming and reclaiming both take it, so a dead owner's entry is changed by one process at a time.

/// Takes a free reader entry, counts it, and writes down who we are. Throws Error when all are taken.
[[nodiscard]] std::uint32_t claim_reader_entry(TopicFile& file, const std::string& topic);

/// As above for a writer. What the entry's last owner left in it is still there.
[[nodiscard]] std::uint32_t claim_writer_entry(TopicFile& file, const std::string& topic);

/// Shows a writer's books to tools.
void write_books(WriterEntry& entry, const WriterStats& books) noexcept;

/// An identity that no publisher of this topic had before.
[[nodiscard]] std::uint32_t next_publisher_id(TopicFile& file) noexcept;

/// Reader entries that are active and whose owner lives.
[[nodiscard]] std::uint32_t count_live_readers(const TopicFile& file) noexcept;
[[nodiscard]] std::uint32_t count_live_writers(const TopicFile& file) noexcept;

/// Somebody whom publishers must not overtake: an active reader, or a group with all its members.
struct Consumer {
  std::uint32_t entry = 0;  ///< Of the reader, or of the group.
  bool is_group = false;
  std::uint64_t cursor = UINT64_MAX;  ///< Its oldest position that was not given back.
  std::uint32_t state = 0;            ///< Of the reader.
  [[nodiscard]] bool found() const noexcept { return cursor != UINT64_MAX; }
};

/// Calls `visit` for every consumer there is. Members of groups do not count by themselves: a group lives on while they
/// come and go, and whoever looked from one entry to the next might miss each of them.
/// SYNC cursor→horizon: acquire, so that the reader's loads of what it gave back come before our reuse of it, and its
/// holds of chunks that it has taken before our look at them.
template <typename Visit>
void for_each_consumer(const TopicFile& file, Visit visit) noexcept {
  for (std::uint32_t k = 0, end = file.reader_entries(); k < end; ++k) {
    const ReaderEntry& entry = file.reader(k);
    const std::uint32_t state = entry.state.load_acquire();
    if (entry_state(state) != EntryState::active || entry.group.load_relaxed() != 0) continue;
    visit(Consumer{k, false, entry.cursor.load_acquire(), state});
  }
  for (std::uint32_t k = 0, end = file.group_entries(); k < end; ++k) {
    const GroupEntry& group = file.group(k);
    if (group_lives(group.life.load_acquire())) visit(Consumer{k, true, group.cursor.load_acquire(), 0});
  }
}

/// Of the publisher that was granted a position and has not published it.
enum class OwnerState {
  gone,     ///< Dead: nobody's record covers the position whose lock byte is held.
  stopped,  ///< Alive, and stopped by a signal or a debugger.
  running,  ///< Alive; at worst it waits for a processor.
};

/// The owner's record covers the position from before the grant until after the publication.
[[nodiscard]] OwnerState owner_state(const TopicFile& file, std::uint64_t position) noexcept;

/// Gives up everything that a reader's dead owner held; with its lock byte held, or as the new owner.
void clear_holds(TopicFile& file, std::uint32_t reader) noexcept;

/// Gives everything back that a member of a group had claimed, for another member; likewise.
void orphan_claims(TopicFile& file, std::uint32_t member) noexcept;

/// Takes back every chunk that was lent to a writer's dead owner; likewise.
void take_back_loans(TopicFile& file, std::uint32_t writer) noexcept;

/// Runs `free_entry` under the entry's lock byte if nobody holds it; whether it did. The lock is the right to change a
/// dead owner's entry: a new owner would have to take it first. Without locks to be had (after a fork) nobody is dead.
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

/// Takes a reader's place from it, if it is still in the state that was seen, and active in that; whether it did.
bool evict_reader(TopicFile& file, std::uint32_t entry, std::uint32_t state) noexcept;

/// Frees an entry if its owner is dead; whether it did.
bool reclaim_reader_if_dead(TopicFile& file, std::uint32_t entry) noexcept;
bool reclaim_writer_if_dead(TopicFile& file, std::uint32_t entry) noexcept;

}  // namespace sluice::slick
