#include <sluice/slick/ring.hpp>

#include <algorithm>

namespace sluice::slick {

void initialise_ring(const RingMemory& memory) noexcept {
  RingHeader& header = *memory.header;
  header.init_state.store_relaxed(static_cast<std::uint32_t>(InitState::initialising));
  header.reserved.store_relaxed(0);
  header.last_published.store_relaxed(kNoIndex);
  header.magic.store_relaxed(kRingMagic);
  header.capacity = memory.capacity;
  header.element_size = memory.element_size;
  SLUICE_KILL_POINT("ring.create.begun");
  for (std::uint32_t k = 0; k < memory.capacity; ++k) {
    memory.slots[k].data_index.store_relaxed(kNoIndex);
    memory.slots[k].size.store_relaxed(1);
  }
  SLUICE_KILL_POINT("ring.create.filled");
  header.init_state.store_release(static_cast<std::uint32_t>(InitState::ready));
  SLUICE_KILL_POINT("ring.create.ready");
}

Ring::Grant Ring::grant_several(std::uint32_t n) noexcept {
  std::uint64_t current = memory_.header->reserved.load_relaxed();
  Grant grant;
  do {
    grant = place(reserved_index(current), n);
  } while (!memory_.header->reserved.compare_exchange_acq_rel(current, make_reserved(grant.index + n, n)));
  SLUICE_KILL_POINT("ring.reserve.granted_several");
  // SYNC reserve→verdict, as in grant.
  shm::fence_release();
  return grant;
}

bool Ring::grant_at(const Grant& wanted, std::uint32_t n) noexcept {
  std::uint64_t current = memory_.header->reserved.load_relaxed();
  while (reserved_index(current) == wanted.position) {
    if (!memory_.header->reserved.compare_exchange_acq_rel(current, make_reserved(wanted.index + n, n))) continue;
    SLUICE_KILL_POINT("ring.reserve.granted_at");
    shm::fence_release();  // SYNC reserve→verdict, as in grant
    return true;
  }
  return false;
}

void Ring::leave_marker(const Grant& grant, std::uint32_t n) noexcept {
  // Dying before it leaves a hole that ends at the grant's index (hazard H2). A lap later the slot is somebody else's
  // and nobody needs the marker any more (hazard H3).
  if (reserved() > grant.position + memory_.capacity) return;
  slot(grant.position).size.store_relaxed(n);
  SLUICE_KILL_POINT("ring.reserve.marker_sized");
  slot(grant.position).data_index.store_release(grant.index);
  SLUICE_KILL_POINT("ring.reserve.marked");
}

bool Ring::fill_hole(std::uint64_t position, std::uint64_t next) noexcept {
  const std::uint64_t end = reserved();
  if (next > end || end > position + memory_.capacity || ((next ^ position) & mask_) == 0) return false;
  std::uint64_t found = slot(position).data_index.load_acquire();
  // What is there now is of an earlier lap or nothing; by CAS, so that a publication of a later lap wins.
  while (found == kNoIndex || found < position) {
    if (slot(position).data_index.compare_exchange_acq_rel(found, next)) return true;
  }
  return false;
}

// Cases of a close look at the slot of c, with R the reserved index and v the slot's index:
//  1. R < c: the queue was reset; begin again at 0.
//  2. R > c + capacity: lapped; resync.
//  3. v was never written or is of an earlier lap: nothing, or pending if R > c.
//  4. v does not belong into this slot: a wrap marker, or a jump over a hole that was repaired, if it stays in this lap
//     of the array; else half of one (hazard H13): pending.
//  5. v == c with a size that keeps it inside the array: a message.
//  6. v == c with another size: nonsense, or lapped while we looked.
//  7. v > c: lapped while we looked; resync.
Ring::Found Ring::find_closely(Cursor& cursor, Message& message) const noexcept {
  for (int round = 0; round < kMostRounds; ++round) {
    const std::uint64_t c = cursor.next;
    const std::uint64_t r = reserved();
    if (r < c) {
      cursor.before_reset += c;
      cursor.next = 0;
      continue;
    }
    if (r > c + memory_.capacity) {
      resync(cursor);
      continue;
    }
    const std::uint64_t v = slot(c).data_index.load_acquire();
    if (v == kNoIndex || v < c) return r > c ? Found::pending : Found::nothing;
    if ((v & mask_) != (c & mask_)) {
      if (!sends_on(v, c, mask_, reserved())) return Found::pending;
      cursor.skipped += v - c;
      cursor.next = v;
      continue;
    }
    if (v == c) {
      message = {c, slot(c).size.load_relaxed()};
      if (plausible(message.size, c)) return Found::message;
      if (verdict({c, 0}) != Verdict::overtaken) return Found::pending;
    }
    resync(cursor);
  }
  return Found::pending;
}

void Ring::resync(Cursor& cursor) const noexcept {
  const std::uint64_t end = reserved();
  const std::uint64_t beyond = end + kReservationSlack;
  const std::uint64_t oldest = beyond > memory_.capacity ? beyond - memory_.capacity : 0;
  std::uint64_t target = std::max(cursor.next, oldest);
  while (target < end && slot(target).data_index.load_relaxed() != target) ++target;
  if (target <= cursor.next) return;
  cursor.lost += target - cursor.next;
  cursor.next = target;
}

bool Ring::skip_hole(Cursor& cursor) const noexcept {
  const std::uint64_t end = reserved();
  if (end > cursor.next + memory_.capacity) return false;  // lapped: the next look resyncs
  for (std::uint64_t k = cursor.next + 1; k < end; ++k) {
    if (slot(k).data_index.load_acquire() != k) continue;
    cursor.skipped += k - cursor.next;
    cursor.next = k;
    return true;
  }
  return false;
}

bool Ring::find_last(Message& message) const noexcept {
  for (int round = 0; round < kMostRounds; ++round) {
    const std::uint64_t end = reserved();
    const std::uint64_t oldest = end > memory_.capacity ? end - memory_.capacity : 0;
    bool again = false;
    for (std::uint64_t k = end; k > oldest && !again; --k) {
      if (slot(k - 1).data_index.load_acquire() != k - 1) continue;
      message = {k - 1, slot(k - 1).size.load_relaxed()};
      if (!plausible(message.size, message.index)) continue;
      if (verdict(message) == Verdict::intact) return true;
      again = true;
    }
    if (!again) return false;
  }
  return false;
}

void Ring::reset() noexcept {
  for (std::uint32_t k = 0; k < memory_.capacity; ++k) {
    memory_.slots[k].size.store_relaxed(1);
    memory_.slots[k].data_index.store_release(kNoIndex);
  }
  if (memory_.tracks_last_published) memory_.header->last_published.store_relaxed(kNoIndex);
  memory_.header->reserved.store_release(0);
}

}  // namespace sluice::slick
