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

/// Whether the publisher that was granted `position` and has not published it still lives. Its record names the
/// position from before the grant until after the publication; no such record means that its owner is gone.
[[nodiscard]] bool owner_lives(const TopicFile& file, std::uint64_t position) noexcept;

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

/// Frees an entry if its owner is dead; whether it did.
bool reclaim_reader_if_dead(TopicFile& file, std::uint32_t entry) noexcept;
bool reclaim_writer_if_dead(TopicFile& file, std::uint32_t entry) noexcept;

}  // namespace sluice::slick
