#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <sluice/export.hpp>
#include <sluice/shm/kill_point.hpp>
#include <sluice/slick/layout.hpp>

namespace sluice::slick {

/// Where a ring lies: a mapped segment, or memory of this process.
struct RingMemory {
  RingHeader* header = nullptr;        ///< nullptr: no ring.
  RingSlot* slots = nullptr;           ///< As many as elements.
  std::byte* elements = nullptr;       ///< capacity * element_size bytes.
  std::uint32_t capacity = 0;          ///< A copy of what was checked, so that nobody can change it under us.
  std::uint32_t element_size = 0;      ///< In bytes.
  bool tracks_last_published = false;  ///< Created as 1.4.0 does; otherwise bytes 16..27 are never written.
};

/// Writes an empty ring into memory, state last, as 1.4.0 does.
SLUICE_EXPORT void initialise_ring(const RingMemory& memory) noexcept;

/// The algorithms on a SlickQueue ring: upstream's, with the rules that make them safe. Untyped; Queue<T> is the typed
/// face. The hazards' numbers (H1..H16) are those of plugins/slick/README.md.
///
/// Thread safety: any number of producers and readers in any processes may use one ring. A Ring is a view without state
/// of its own; a Cursor belongs to one reader.
///
/// Who writes what: a producer writes `reserved` (RMW), the elements, size and data_index of the slots that it
/// reserved, the marker's slot, and `last_published` (CAS, upwards). Readers write nothing.
///
/// Invariants that the lap test rests on:
///  1. Every store of a producer follows its RMW on `reserved`, with a release fence between them.
///  2. What overwrites any part of the message at i was reserved with `reserved` > i + capacity afterwards.
///  3. So a reader that copied, fenced (acquire), and then finds `reserved` <= i + capacity has the message whole.
class SLUICE_EXPORT Ring {
 public:
  Ring() = default;

  /// A view of memory that outlives it and holds an initialised ring of that size.
  explicit Ring(const RingMemory& memory) noexcept
      : memory_(memory),
        mask_(std::uint64_t{memory.capacity} - 1),
        ahead_(memory.capacity >= kLeastForPrefetch ? kPrefetchDistance : 0) {}

  /// In elements.
  [[nodiscard]] std::uint32_t capacity() const noexcept { return memory_.capacity; }

  /// In bytes.
  [[nodiscard]] std::uint32_t element_size() const noexcept { return memory_.element_size; }

  /// Where the ring lies.
  [[nodiscard]] const RingMemory& memory() const noexcept { return memory_; }

  /// The index after the latest reservation: where a reader that joins now begins.
  [[nodiscard]] std::uint64_t reserved() const noexcept {
    return reserved_index(memory_.header->reserved.load_acquire());
  }

  /// Elements from a message published to the place whose lines are asked for then; 0: none are.
  [[nodiscard]] std::uint64_t prefetch_distance() const noexcept { return ahead_; }

  /// Memory of the element at `index`.
  [[nodiscard]] std::byte* element(std::uint64_t index) const noexcept {
    return memory_.elements + (index & mask_) * memory_.element_size;
  }

  /// Reserves n elements that lie in one piece, 1 <= n <= capacity, and returns the index of the first. Never blocks.
  [[nodiscard]] std::uint64_t reserve(std::uint32_t n) noexcept {
    const Grant grant = this->grant(n);
    mark_wrap(grant, n);
    return grant.index;
  }

  /// What a reservation covers.
  struct Grant {
    std::uint64_t position = 0;  ///< `reserved` before it: where readers stand.
    std::uint64_t index = 0;     ///< Of the first element; beyond `position` when the array's tail is too short.
  };

  /// Where n elements reserved at `position` lie.
  [[nodiscard]] Grant place(std::uint64_t position, std::uint32_t n) const noexcept {
    const bool wraps = (position & mask_) + n > memory_.capacity;
    return {position, wraps ? (position | mask_) + 1 : position};
  }

  /// The first half of reserve: for those who write down what they own before they store anything else.
  [[nodiscard]] Grant grant(std::uint32_t n) noexcept;

  /// Reserves n elements at this position and at no other; false: somebody else was faster.
  [[nodiscard]] bool grant_at(const Grant& wanted, std::uint32_t n) noexcept;

  /// The second half of reserve: sends readers over the tail, if the grant left one out.
  void mark_wrap(const Grant& grant, std::uint32_t n) noexcept {
    if (grant.index != grant.position) leave_marker(grant, n);
  }

  /// Makes n elements from `index` on visible as one message; they were reserved, alone or as part of a larger
  /// reservation. False: a whole lap was reserved meanwhile (hazard H3), so the elements belong to others now and
  /// nothing was published.
  bool publish(std::uint64_t index, std::uint32_t n) noexcept;

  /// A published message.
  struct Message {
    std::uint64_t index = 0;  ///< Of its first element.
    std::uint32_t size = 0;   ///< In elements.
  };

  /// A reader's place, and what it missed on the way, in elements.
  struct Cursor {
    std::uint64_t next = 0;          ///< Index of the element to read next.
    std::uint64_t lost = 0;          ///< Overwritten before they were read.
    std::uint64_t skipped = 0;       ///< Of holes that were given up, and tails skipped by a wrap.
    std::uint64_t before_reset = 0;  ///< Where the cursor stood when the queue was reset under it, summed up.
  };

  /// What is at the cursor.
  enum class Found {
    message,  ///< A published one.
    nothing,  ///< The end: nothing is reserved beyond.
    pending,  ///< Reserved but not published: a producer at work, or a hole that a dead one left (hazard H2).
  };

  /// How much an empty look costs and sees. Every look at `reserved` takes its cache line from the producers, so a
  /// reader that spins looks closely now and then only.
  enum class Effort {
    slot_only,  ///< "nothing" also when the queue was reset, when a lap has passed, and at a hole.
    close,      ///< Sees all of that.
  };

  /// Finds the message at the cursor; the cursor moves over wrap markers and over what was lost, and then stands at the
  /// message. What is read of the message must pass `intact` afterwards.
  [[nodiscard]] Found find(Cursor& cursor, Message& message, Effort effort = Effort::close) const noexcept {
    const std::uint64_t next = cursor.next;
    // SYNC publish→find: acquire; everything that was stored before the publication is visible.
    const std::uint64_t index = slot(next).data_index.load_acquire();
    if (index == next && index != kNoIndex) {
      message = {next, slot(next).size.load_relaxed()};
      if (plausible(message.size, next)) return Found::message;
    }
    if (effort == Effort::slot_only && (index == kNoIndex || index < next)) return Found::nothing;
    return find_closely(cursor, message);
  }

  /// What became of a message while it was being read.
  enum class Verdict {
    intact,     ///< Everything that was read belongs to it.
    overtaken,  ///< A producer may have stored into it: discard what was read.
    changed,    ///< The slot names another message now, or the queue was reset: discard, look again.
  };

  /// Whether everything loaded so far from `message` belongs to it (spec: lap test, steps 6 to 8).
  [[nodiscard]] Verdict verdict(const Message& message) const noexcept {
    // SYNC reserve→verdict: pairs with the producers' release fence between their reservation and their stores.
    shm::fence_acquire();
    const std::uint64_t now = reserved_index(memory_.header->reserved.load_relaxed());
    if (now < message.index) return Verdict::changed;
    const std::uint64_t ahead = now - message.index;  // no sum that an index made up by others could overflow
    if (ahead + kReservationSlack > memory_.capacity) return Verdict::overtaken;
    if (ahead < message.size) return Verdict::changed;
    return slot(message.index).data_index.load_relaxed() == message.index ? Verdict::intact : Verdict::changed;
  }

  /// Copies the next message: calls `copy(first_element, bytes)` as often as needed, and moves the cursor. What the
  /// last call copied is never torn.
  template <typename Copy>
  [[nodiscard]] Found read(Cursor& cursor, Message& message, Effort effort, Copy copy) const {
    for (int round = 0; round < kMostRounds; ++round) {
      const Found found = find(cursor, message, effort);
      if (found != Found::message) return found;
      copy(element(message.index), std::size_t{message.size} * memory_.element_size);
      switch (verdict(message)) {
        case Verdict::intact: cursor.next = message.index + message.size; return Found::message;
        case Verdict::overtaken: resync(cursor); break;
        case Verdict::changed: effort = Effort::close; break;
      }
    }
    return Found::pending;  // a segment full of nonsense must not send us round for ever
  }

  /// Whether `read` would get a message. Of a half-written slot it is false, so that nobody spins on one.
  [[nodiscard]] bool ready(Cursor cursor) const noexcept {
    Message message;
    return find(cursor, message) == Found::message;
  }

  /// Goes on at the oldest message that is still there and was not read; if there is none, at the next reservation.
  void resync(Cursor& cursor) const noexcept;

  /// Gives up waiting at a hole: moves to the next published message, if there is one. Whether the cursor moved.
  bool skip_hole(Cursor& cursor) const noexcept;

  /// Sends readers who stand at `position` on to `next`, if nothing was published there. Only for a position whose
  /// owner is dead; position < next <= the position's lap's end, and not a whole lap. Whether it did. Safe against
  /// other repairers, slow producers and laps: plugins/slick/README.md, "Repairing a hole".
  bool fill_hole(std::uint64_t position, std::uint64_t next) noexcept;

  /// The newest published message, whoever published it (hazard H10; last_published alone is not to be trusted, because
  /// 1.2.x, 1.3.0 and Python do not maintain it). False: none.
  [[nodiscard]] bool find_last(Message& message) const noexcept;

  /// As new. Not safe while others use the ring.
  void reset() noexcept;

  /// The slot of the element at `index`.
  [[nodiscard]] RingSlot& slot(std::uint64_t index) const noexcept { return memory_.slots[index & mask_]; }

  /// Times that a read is overtaken and begins anew before it gives up for now.
  static constexpr int kMostRounds = 64;

  /// Foreign producers have no fence between their reservation and their stores. On x86-64 their locked instruction is
  /// one; elsewhere one reservation may still be on its way when its data is seen, so one element of slack is asked
  /// for. It suffices for producers of single elements.
#if defined(__x86_64__)
  static constexpr std::uint64_t kReservationSlack = 0;
#else
  static constexpr std::uint64_t kReservationSlack = 1;
#endif

 private:
  [[nodiscard]] bool plausible(std::uint32_t size, std::uint64_t index) const noexcept {
    return size != 0 && size <= memory_.capacity - (index & mask_);
  }
  Grant grant_several(std::uint32_t n) noexcept;
  void leave_marker(const Grant& grant, std::uint32_t n) noexcept;
  Found find_closely(Cursor& cursor, Message& message) const noexcept;

  void prefetch_place(std::uint64_t index) const noexcept;

  /// Two cache lines of slots, so that a reader polling the very next slot keeps its line.
  static constexpr std::uint64_t kPrefetchDistance = 8;
  /// In a smaller ring that place would be the one just published, or nearly.
  static constexpr std::uint32_t kLeastForPrefetch = 32;

  RingMemory memory_;
  std::uint64_t mask_ = 0;
  std::uint64_t ahead_ = 0;  ///< kPrefetchDistance, or 0 in a small ring.
};

inline Ring::Grant Ring::grant(std::uint32_t n) noexcept {
  if (n != 1) return grant_several(n);
  auto& word = memory_.header->reserved;
  // One element never wraps, so there is nothing to decide and one addition grants it.
  const std::uint64_t before = word.fetch_add_acq_rel(std::uint64_t{1} << 16U);
  SLUICE_KILL_POINT("ring.reserve.granted_one");
  // SYNC reserve→verdict: whoever sees any of our stores, fences and loads `reserved` sees this reservation.
  shm::fence_release();
  if (reserved_size(before) != 1) {
    // As upstream: put the size right if nobody was faster; only its legacy read_last looks at it (hazard H11).
    std::uint64_t ours = before + (std::uint64_t{1} << 16U);
    word.compare_exchange_acq_rel(ours, make_reserved(reserved_index(ours), 1));
  }
  return {reserved_index(before), reserved_index(before)};
}

/// Readers have the lines of the places to come. Asked for now, their transfers overlap with the caller's work; asked
/// for by the stores, the next locked instruction waits for them.
inline void Ring::prefetch_place(std::uint64_t index) const noexcept {
  shm::prefetch_for_writing(&slot(index));
  shm::prefetch_for_writing(element(index));
}

inline bool Ring::publish(std::uint64_t index, std::uint32_t n) noexcept {
  if (reserved() > index + memory_.capacity) return false;
  RingSlot& slot = this->slot(index);
  slot.size.store_relaxed(n);
  SLUICE_KILL_POINT("ring.publish.sized");
  // SYNC publish→find: release. Dying before this leaves a hole (hazard H2).
  slot.data_index.store_release(index);
  SLUICE_KILL_POINT("ring.publish.published");
  if (memory_.tracks_last_published) {
    // Never a plain store, not even by a producer that was alone a moment ago: another one may reserve, publish and
    // raise the word between our look and our store, which would then take it back for good.
    auto& last = memory_.header->last_published;
    std::uint64_t seen = last.load_relaxed();
    while ((seen == kNoIndex || seen < index) && !last.compare_exchange_acq_rel(seen, index)) {
    }
    SLUICE_KILL_POINT("ring.publish.told_last");
  }
  if (ahead_ != 0) prefetch_place(index + n - 1 + ahead_);
  return true;
}

}  // namespace sluice::slick
