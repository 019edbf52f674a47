#pragma once

#include <cstdint>
#include <vector>

#include <sluice/shm/kill_point.hpp>

#include "slick/entries.hpp"
#include "slick/topic_file.hpp"

namespace sluice::slick {

/// The slow path of producers: moving the horizon. PROTOCOL.md, "Horizon".
///
/// Invariants that every raise of the horizon to H keeps:
///  1. H <= R + horizon_step for a value R that `reserved` had before (raw topics: or the end of the message at R).
///  2. reliable: H <= cursor + capacity for every active reader; <= cursor + reach for those that the raiser saw.
///  3. For every position h that was granted and whose owner may still store into its cell (its record INTENT covers h)
///     and h + capacity < H: that record was FENCED before the horizon was raised, and fence_epoch raised after
///     fencing. Raw topics do without: there a producer that was lapped finds out by itself before it publishes.

/// How far the horizon may go now, invariant 3 aside. `reserved` was loaded (acquire) before the call; `end`: as far as
/// the caller needs it, if the readers allow it.
[[nodiscard]] std::uint64_t find_horizon(const TopicFile& file, std::uint64_t reserved, std::uint64_t end) noexcept;

/// Raises the horizon to what find_horizon gave.
void raise_horizon(TopicFile& file, std::uint64_t target) noexcept;

/// Sluice topics: raises the horizon as far as it may go. Whether position R (the current `reserved`) may now be
/// granted.
bool advance_horizon(TopicFile& file) noexcept;

/// Fences every record INTENT(h, n) for which `fence(record)` holds, so that its owner learns that others gave its
/// positions up.
template <typename Predicate>
void fence_writers(TopicFile& file, Predicate fence) noexcept {
  for (std::uint32_t k = 0, end = file.writer_entries(); k < end; ++k) {
    WriterEntry& entry = file.writer(k);
    std::uint64_t record = entry.record.load_acquire();
    if (record_state(record) == RecordState::idle || !fence(record)) continue;
    const std::uint64_t wanted = record_fenced(record_position(record), record_count(record));
    const bool fenced = record == wanted || entry.record.compare_exchange_seq_cst(record, wanted) || record == wanted;
    if (fenced) SLUICE_KILL_POINT("slick.fence.fenced");
    // SYNC fence→grant. Also when somebody else fenced it, before us or in the moment of our CAS: whoever that was may
    // be stopped or dead before this line, and we are about to rely on it.
    if (fenced) file.control().fence_epoch.fetch_add_seq_cst(1);
    if (fenced) SLUICE_KILL_POINT("slick.fence.epoch_raised");
  }
}

/// The consumer that holds producers up most.
[[nodiscard]] Consumer slowest_consumer(const TopicFile& file) noexcept;

}  // namespace sluice::slick
