#include "slick/raw_ring.hpp"

#include <sluice/shm/kill_point.hpp>
#include <sluice/shm/unvalidated_copy.hpp>

#include <algorithm>

namespace sluice::slick {

namespace {

/// Foreign producers have no fence between their reservation and their stores. On x86-64 their locked instruction is
/// one; elsewhere one reservation may still be on its way when its data is seen, so one element of slack is asked for.
#if defined(__x86_64__)
constexpr std::uint64_t kReservationSlack = 0;
#else
constexpr std::uint64_t kReservationSlack = 1;
#endif

constexpr int kMostRounds = 64;

}  // namespace

RawRing::RawRing(RawSegment segment) noexcept
    : segment_(std::move(segment)),
      capacity_(segment_.capacity),
      mask_(capacity_ - 1),
      element_size_(segment_.element_size),
      data_(segment_.mapping.data() + sizeof(RawHeader) + capacity_ * sizeof(RawSlot)) {}

std::uint64_t RawRing::reserved() const noexcept { return reserved_index(header().reserved.load_acquire()); }

std::byte* RawRing::element(std::uint64_t index) const noexcept { return data_ + (index & mask_) * element_size_; }

std::uint64_t RawRing::reserve(std::uint32_t n) noexcept {
  auto& word = header().reserved;
  std::uint64_t current = word.load_relaxed();
  std::uint64_t index = 0;
  std::uint64_t position = 0;
  do {
    position = reserved_index(current);
    const bool wraps = (position & mask_) + n > capacity_;
    index = wraps ? (position | mask_) + 1 : position;
  } while (!word.compare_exchange_acq_rel(current, make_reserved(index + n, n)));
  SLUICE_KILL_POINT("raw.reserve.granted");
  // SYNC reserve→lap test: whoever sees any of our stores, fences and loads `reserved` sees this reservation.
  shm::fence_release();
  if (index != position) {
    // The wrap marker. Dying before it leaves a hole that ends at `index` (hazard H2).
    slot(position).size.store_relaxed(n);
    SLUICE_KILL_POINT("raw.reserve.marker_sized");
    slot(position).data_index.store_release(index);
    SLUICE_KILL_POINT("raw.reserve.marked");
  }
  return index;
}

bool RawRing::publish(std::uint64_t index, std::uint32_t n) noexcept {
  if (reserved() > index + capacity_) return false;  // hazard H3: the slot may belong to a newer message by now
  slot(index).size.store_relaxed(n);
  SLUICE_KILL_POINT("raw.publish.sized");
  slot(index).data_index.store_release(index);
  SLUICE_KILL_POINT("raw.publish.published");
  if (segment_.tracks_last_published) {
    auto& last = header().last_published;
    std::uint64_t seen = last.load_relaxed();
    while ((seen == kNoIndex || seen < index) && !last.compare_exchange_acq_rel(seen, index)) {
    }
    SLUICE_KILL_POINT("raw.publish.told_last");
  }
  return true;
}

/// The lap test: everything loaded before belongs to the message at `index` iff nobody has reserved beyond it.
bool RawRing::overtaken(std::uint64_t index) const noexcept {
  shm::fence_acquire();
  return reserved_index(header().reserved.load_relaxed()) + kReservationSlack > index + capacity_;
}

/// Goes on at the oldest message that is still there and that this reader has not had; `reserved` itself is always a
/// message boundary.
void RawRing::resync(Cursor& cursor, std::uint64_t reserved) const noexcept {
  std::uint64_t target = reserved;
  const std::uint64_t beyond = reserved + kReservationSlack;  // what the lap test would reject is no place to go on at
  const std::uint64_t oldest = beyond > capacity_ ? beyond - capacity_ : 0;
  for (std::uint64_t k = std::max(cursor.next, oldest); k < reserved; ++k) {
    if (slot(k).data_index.load_relaxed() == k) {
      target = k;
      break;
    }
  }
  if (target <= cursor.next) return;
  cursor.lost += target - cursor.next;
  cursor.next = target;
}

// Cases of a look at the slot of c, with R the reserved index:
//  1. R < c: the queue was reset; begin again at 0.
//  2. R > c + capacity: lapped; resync.
//  3. the slot was never used or is of an earlier lap: nothing, or pending if R > c.
//  4. a value that does not belong into this slot: a wrap marker if it is plausible, else half-written: nothing yet.
//  5. a message at v >= c; if v > c we were lapped: resync. Its size must keep it inside the array.
//  6. after the copy: overtaken: discard, resync. The slot changed although nobody overtook us: a late producer of an
//     earlier lap took it back (hazard H3); look again, and the message is pending until the hole timer.
// A segment full of nonsense could send us round for ever: after kMostRounds the answer is "pending".
RawRing::Read RawRing::read(Cursor& cursor, std::vector<std::byte>& out, std::uint64_t& index) const {
  for (int round = 0; round < kMostRounds; ++round) {
    const std::uint64_t c = cursor.next;
    const std::uint64_t r = reserved();
    if (r < c) {
      cursor.before_reset += c;
      cursor.next = 0;
      continue;
    }
    if (r + kReservationSlack > c + capacity_) {
      resync(cursor, r);
      continue;
    }
    const std::uint64_t v = slot(c).data_index.load_acquire();
    if (v == kNoIndex || v < c) return r > c ? Read::pending : Read::nothing;
    if ((v & mask_) != (c & mask_)) {
      if ((v & mask_) != 0 || v > reserved()) return Read::pending;  // hazard H13: Python writes markers in two halves
      cursor.skipped += v - c;
      cursor.next = v;
      continue;
    }
    const std::uint64_t n = slot(c).size.load_relaxed();
    if (v != c || n == 0 || n > capacity_ - (v & mask_)) {
      if (v == c && !overtaken(v)) return Read::pending;
      resync(cursor, reserved());
      continue;
    }
    out.resize(n * element_size_);
    shm::copy_unvalidated(out.data(), element(v), out.size());
    if (overtaken(v)) {
      resync(cursor, reserved());
      continue;
    }
    if (slot(c).data_index.load_relaxed() != v) continue;
    index = v;
    cursor.next = v + n;
    return Read::message;
  }
  return Read::pending;
}

bool RawRing::ready(const Cursor& cursor) const noexcept {
  const std::uint64_t c = cursor.next;
  const std::uint64_t r = reserved();
  if (r < c || r + kReservationSlack > c + capacity_) return true;  // reset, or lapped
  const std::uint64_t v = slot(c).data_index.load_acquire();
  if (v == kNoIndex || v < c) return false;
  if ((v & mask_) != (c & mask_)) return (v & mask_) == 0 && v <= r;
  const std::uint64_t n = slot(c).size.load_relaxed();
  return v != c || (n != 0 && n <= capacity_ - (v & mask_));
}

bool RawRing::skip_hole(Cursor& cursor) const noexcept {
  const std::uint64_t r = reserved();
  if (r + kReservationSlack > cursor.next + capacity_) return false;  // read() resyncs
  for (std::uint64_t k = cursor.next + 1; k < r; ++k) {
    if (slot(k).data_index.load_acquire() != k) continue;
    cursor.skipped += k - cursor.next;
    cursor.next = k;
    return true;
  }
  return false;
}

}  // namespace sluice::slick
