#include <algorithm>

#include <sluice/shm/kill_point.hpp>
#include <sluice/shm/sleep.hpp>

#include "slick/horizon.hpp"
#include "slick/topic_writer.hpp"

/// How a publisher gets positions: PROTOCOL.md, "Reserve".
namespace sluice::slick {

namespace {

constexpr std::chrono::milliseconds kQuarantineNap{1};  // between looks whether a stopped publisher went on

PublishResult refusal(Room room) noexcept {
  return room == Room::own ? PublishResult::own_subscription_full : PublishResult::timeout;
}

}  // namespace

// Cases of the loop below:
//  1. position < horizon: announce INTENT, then try the grant.
//  2. position == horizon: the slow path. best_effort always gets on; reliable may have to wait, and may give up.
//  3. the grant went to another producer: the INTENT meant nothing; once more with the position found.
//  4. granted, but the cell is quarantined: a stopped owner may still store into it. Leave a jump there, once more.
//     While any quarantine stands, positions are asked for one at a time.
//  5. a whole lap of quarantined cells: every place is in the hands of somebody who is stopped. As when the topic is
//     full: best_effort gives up at once, reliable after max_blocking_time.
TopicWriter::Grant TopicWriter::reserve_slowly(std::uint64_t most) noexcept {
  TopicControl& control = file_.control();
  std::uint64_t position = control.reserved.load_relaxed();
  std::uint64_t jumps = 0;
  shm::Deadline give_up = shm::Deadline::never();
  for (;;) {
    if (position >= horizon_) {
      refresh_horizon();
      if (position >= horizon_) {
        if (const Room room = make_room(); room != Room::found) return {0, 0, refusal(room)};
        refresh_horizon();
        position = control.reserved.load_relaxed();
        continue;
      }
    }
    const std::uint64_t count = fences_.empty() ? std::min(most, horizon_ - position) : 1;
    if (!try_reserve(position, count)) continue;
    if (fences_.empty() || !is_quarantined(position)) return {position, count, PublishResult::ok};
    if (!leave_jump(position, ++jumps, give_up)) return {0, 0, PublishResult::timeout};
    ++position;
  }
}

/// The position is ours, and its cell may not be written. False when there have been too many of these.
bool TopicWriter::leave_jump(std::uint64_t position, std::uint64_t jumps, shm::Deadline& give_up) noexcept {
  TopicControl& control = file_.control();
  file_.cell(position).stamp.raise_to_acq_rel(stamp_jump(position));
  SLUICE_KILL_POINT("slick.reserve.jump_left");
  entry_->record.store_release(kRecordIdle);
  SLUICE_KILL_POINT("slick.reserve.jump_passed");
  const std::uint64_t lap = file_.geometry().capacity;
  if (jumps % lap != 0) return true;
  if (control.doorbell.waiting()) control.doorbell.ring();  // readers have a lap of jumps to pass
  if (jumps == lap) give_up = shm::Deadline::after(max_blocking_time_);
  if (!file_.reliable() || give_up.passed()) return false;
  shm::sleep_for(kQuarantineNap);
  return true;
}

void TopicWriter::refresh_horizon() noexcept {
  // Acquire: by horizon.hpp's invariant 3 every fence that concerns positions below this value is visible from here on,
  // so one look at the epoch per look at the horizon is enough.
  horizon_ = file_.control().horizon.load_acquire();
  const std::uint64_t epoch = file_.control().fence_epoch.load_acquire();
  if (epoch != fence_epoch_ || !fences_.empty()) {
    fence_epoch_ = epoch;
    find_standing_fences();
  }
  open_until_ = fences_.empty() ? horizon_ : 0;
}

void TopicWriter::find_standing_fences() noexcept {
  fences_.clear();
  for (std::uint32_t k = 0, end = file_.writer_entries(); k < end; ++k) {
    const std::uint64_t record = file_.writer(k).record.load_acquire();
    if (record_state(record) == RecordState::fenced) fences_.push_back({k, record});
  }
}

bool TopicWriter::is_quarantined(std::uint64_t position) noexcept {
  const std::uint64_t mask = file_.geometry().mask;
  return std::any_of(fences_.begin(), fences_.end(), [&](const Fence& fence) {
    const std::uint64_t first = record_position(fence.record);
    const bool same_cell =
        first < position && ((position - first) & mask) < record_count(fence.record) && position - first > mask;
    if (!same_cell || file_.writer(fence.entry).record.load_acquire() != fence.record) return false;
    // A dead owner stores nothing any more; only a living one that was stopped needs its cell kept free.
    return !reclaim_writer_if_dead(file_, fence.entry);
  });
}

Room TopicWriter::make_room() noexcept {
  if (!advance_horizon(file_)) {
    // Full, so this topic is reliable. What our last attempt announced must not look like work in progress meanwhile.
    entry_->record.store_release(kRecordIdle);
    const Room room = back_pressure_.wait([this] { return advance_horizon(file_); });
    if (room != Room::found) return room;
  }
  back_pressure_.moved();
  return Room::found;
}

}  // namespace sluice::slick
