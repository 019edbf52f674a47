#include "slick/hole_watch.hpp"

#include <algorithm>

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/kill_point.hpp>

#include "slick/entries.hpp"
#include "slick/horizon.hpp"

namespace sluice::slick {

bool HoleWatch::look(std::uint64_t position, std::uint64_t reserved) noexcept {
  if (reserved <= position) {
    hole_ = kNone;
    return false;
  }
  const std::int64_t now = shm::monotonic_ns();
  if (hole_ != position) {
    hole_ = position;
    if (position >= granted_until_) {
      since_ns_ = now;
      granted_until_ = reserved;
    }
    look_ns_ = since_ns_ + hole_timeout_ns_;
  }
  if (now < look_ns_) return false;
  if (now - since_ns_ < stall_timeout_ns_ && owner_state(file_, position) == OwnerState::running) {
    look_ns_ = now + hole_timeout_ns_;
    return false;
  }
  repair(position);
  hole_ = kNone;
  return true;
}

/// First the owner, if it is still there, is made to notice; then the position becomes a jump. Dying in between leaves
/// a fenced owner and an unpublished position, which the next reader repairs. Two repairers do the same things twice.
void HoleWatch::repair(std::uint64_t position) noexcept {
  Cell& cell = file_.cell(position);
  std::uint64_t stamp = cell.stamp.load_acquire();
  // Published since we looked: fencing its owner now would unmake a message that everybody can have.
  if (stamp >= stamp_message(position)) return;
  SLUICE_KILL_POINT("slick.repair.begun");
  fence_writers(file_, [&](std::uint64_t record) { return record_covers(record, position); });
  SLUICE_KILL_POINT("slick.repair.fenced");
  // Only from what we saw: a publication that came first wins.
  cell.stamp.compare_exchange_seq_cst(stamp, stamp_jump(position));
  SLUICE_KILL_POINT("slick.repair.done");
  if (file_.control().doorbell.waiting()) file_.control().doorbell.ring();
}

std::chrono::nanoseconds HoleWatch::until_next_look(std::chrono::nanoseconds otherwise) const noexcept {
  if (hole_ == kNone) return otherwise;
  const std::chrono::nanoseconds left{look_ns_ - shm::monotonic_ns()};
  return std::max(left, std::chrono::nanoseconds{1000});
}

}  // namespace sluice::slick
