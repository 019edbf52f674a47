#include "slick/back_pressure.hpp"

#include "slick/entries.hpp"
#include "slick/horizon.hpp"

namespace sluice::slick {

bool BackPressure::deal_with_slowest_reader() noexcept {
  const SlowestReader slowest = slowest_reader(file_);
  if (!slowest.found()) return false;
  if (reclaim_reader_if_dead(file_, slowest.entry)) return true;
  const std::int64_t now = shm::monotonic_ns();
  if (stall_.entry != slowest.entry || stall_.cursor != slowest.cursor || stall_.state != slowest.state) {
    stall_ = {slowest.entry, slowest.cursor, slowest.state, now};
    return false;
  }
  if (now - stall_.since_ns < evict_after_.count()) return false;
  SLUICE_KILL_POINT("slick.evict.decided");
  std::uint32_t state = slowest.state;
  const bool evicted =
      file_.reader(slowest.entry).state.compare_exchange_seq_cst(state, with_state(state, EntryState::evicted));
  SLUICE_KILL_POINT("slick.evict.done");
  return evicted;
}

}  // namespace sluice::slick
