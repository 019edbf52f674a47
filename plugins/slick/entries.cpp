#include "slick/entries.hpp"

#include <unistd.h>

#include <sluice/shm/process_identity.hpp>

#include "slick/books.hpp"

namespace sluice::slick {

namespace {

/// The first of `count` entries whose lock byte nobody holds; it is ours then. `whose` and `option` are for the Error
/// that all are taken.
template <typename ByteOf>
std::uint32_t lock_free_entry(TopicFile& file, std::uint32_t count, ByteOf byte_of, const std::string& topic,
                              const char* whose, const char* option) {
  for (std::uint32_t k = 0; k < count; ++k) {
    if (file.lock().try_lock_exclusive(byte_of(k))) return k;
  }
  throw Error("topic '" + topic + "': all " + std::to_string(count) + " places for " + whose + " are taken; raise " +
              option);
}

}  // namespace

std::uint32_t claim_reader_entry(TopicFile& file, const std::string& topic) {
  const auto byte_of = [&](std::uint32_t k) { return file.reader_byte(k); };
  const std::uint32_t k =
      lock_free_entry(file, file.geometry().max_readers, byte_of, topic, "subscriptions", "max_subscribers");
  SLUICE_KILL_POINT("slick.reader.locked");
  file.control().reader_entries.raise_to_acq_rel(k + 1);
  SLUICE_KILL_POINT("slick.reader.counted");
  clear_holds(file, k);
  SLUICE_KILL_POINT("slick.reader.holds_cleared");
  orphan_claims(file, k);  // before the entry says that we are in another group, or in none
  file.reader(k).group.store_release(0);
  SLUICE_KILL_POINT("slick.reader.claims_orphaned");
  file.reader(k).pid.store_relaxed(static_cast<std::uint32_t>(::getpid()));
  return k;
}

std::uint32_t claim_writer_entry(TopicFile& file, const std::string& topic) {
  const auto byte_of = [&](std::uint32_t k) { return file.writer_byte(k); };
  const std::uint32_t k =
      lock_free_entry(file, file.geometry().max_writers, byte_of, topic, "publishers", "max_publishers");
  SLUICE_KILL_POINT("slick.writer.locked");
  file.control().writer_entries.raise_to_acq_rel(k + 1);
  SLUICE_KILL_POINT("slick.writer.counted");
  return k;
}

void write_books(WriterEntry& entry, const WriterStats& books) noexcept {
  const BooksWrite write(entry.version);
  entry.published.store_relaxed(books.published);
  entry.bytes.store_relaxed(books.bytes);
  entry.timeouts.store_relaxed(books.timeouts);
  entry.uncertain.store_relaxed(books.uncertain);
}

std::uint32_t next_publisher_id(TopicFile& file) noexcept {
  return static_cast<std::uint32_t>(file.control().next_publisher.fetch_add_relaxed(1) + 1);
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

OwnerState owner_state(const TopicFile& file, std::uint64_t position) noexcept {
  OwnerState found = OwnerState::gone;
  for (std::uint32_t k = 0, end = file.writer_entries(); k < end; ++k) {
    const WriterEntry& entry = file.writer(k);
    if (!record_covers(entry.record.load_acquire(), position)) continue;
    if (!file.lock().held_by_other(file.writer_byte(k))) continue;
    if (!shm::process_is_stopped(entry.pid.load_relaxed(), entry.start_time.load_relaxed())) return OwnerState::running;
    found = OwnerState::stopped;
  }
  return found;
}

void clear_holds(TopicFile& file, std::uint32_t reader) noexcept {
  if (!file.geometry().has_pool()) return;
  for (auto& hold : file.holds(reader)) hold.store_release(0);
}

void take_back_loans(TopicFile& file, std::uint32_t writer) noexcept {
  for (std::uint32_t chunk = 0; chunk < file.geometry().chunk_count; ++chunk) {
    std::uint64_t word = file.chunk_state(chunk).word.load_acquire();
    if (word == chunk_lent(writer)) file.chunk_state(chunk).word.compare_exchange_acq_rel(word, kChunkUnused);
  }
}

bool evict_reader(TopicFile& file, std::uint32_t entry, std::uint32_t state) noexcept {
  return entry_state(state) == EntryState::active &&
         file.reader(entry).state.compare_exchange_seq_cst(state, with_state(state, EntryState::evicted));
}

bool reclaim_reader_if_dead(TopicFile& file, std::uint32_t entry) noexcept {
  return reclaim_if_dead(file, file.reader_byte(entry), [&] {
    clear_holds(file, entry);
    SLUICE_KILL_POINT("slick.reclaim.holds_cleared");
    orphan_claims(file, entry);
    SLUICE_KILL_POINT("slick.reclaim.claims_orphaned");
    auto& state = file.reader(entry).state;
    state.store_release(with_state(state.load_relaxed(), EntryState::free));
  });
}

bool reclaim_writer_if_dead(TopicFile& file, std::uint32_t entry) noexcept {
  return reclaim_if_dead(file, file.writer_byte(entry), [&] {
    file.writer(entry).record.store_release(kRecordIdle);
    SLUICE_KILL_POINT("slick.reclaim.record_cleared");
    take_back_loans(file, entry);
    SLUICE_KILL_POINT("slick.reclaim.loans_back");
    file.writer(entry).state.store_release(static_cast<std::uint32_t>(EntryState::free));
  });
}

}  // namespace sluice::slick
