#include "slick/back_pressure.hpp"

#include "slick/entries.hpp"
#include "slick/horizon.hpp"
#include "slick/own_readers.hpp"
#include "slick/topic_group.hpp"

namespace sluice::slick {

bool BackPressure::deal_with_slowest() noexcept {
  const Consumer slowest = slowest_consumer(file_);
  if (!slowest.found()) return false;
  TopicGroup group(file_, slowest.entry);
  if (slowest.is_group ? group.advance_cursor() || group.end_if_deserted()
                       : reclaim_reader_if_dead(file_, slowest.entry)) {
    return true;
  }
  if (slowest.cursor >= reserved_()) return false;  // it has everything: no fault of its own
  const std::int64_t now = shm::monotonic_ns();
  if (stall_.entry != slowest.entry || stall_.is_group != slowest.is_group || stall_.cursor != slowest.cursor ||
      stall_.state != slowest.state) {
    stall_ = {slowest.entry, slowest.is_group, slowest.cursor, slowest.state, now};
    return false;
  }
  if (now - stall_.since_ns < evict_after_.count()) return false;
  SLUICE_KILL_POINT("slick.evict.decided");
  if (slowest.is_group) {
    stall_ = {};  // whoever takes the claim over gets as much time
    return group.evict_laggards(slowest.cursor);
  }
  const bool evicted = evict_reader(file_, slowest.entry, slowest.state);
  SLUICE_KILL_POINT("slick.evict.done");
  return evicted;
}

bool BackPressure::own_reader_moves() noexcept {
  const Consumer slowest = slowest_consumer(file_);
  if (!slowest.found() || slowest.is_group) return false;  // a group's cursor moves with every acknowledgement
  OwnReader::settle_own(file_.inode(), slowest.entry);
  return file_.reader(slowest.entry).cursor.load_acquire() != slowest.cursor;
}

bool BackPressure::slowest_is_own() noexcept {
  const Consumer slowest = slowest_consumer(file_);
  if (!slowest.found() || slowest.cursor >= reserved_()) return false;
  return slowest.is_group ? TopicGroup(file_, slowest.entry).is_own() : OwnReader::is_own(file_.inode(), slowest.entry);
}

}  // namespace sluice::slick
