#include "slick/topic_group_reader.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <sluice/shm/kill_point.hpp>
#include <sluice/shm/sleep.hpp>
#include <sluice/shm/unvalidated_copy.hpp>

namespace sluice::slick {

namespace {

/// A member's death rings nobody: while others have claims, look this often.
constexpr std::chrono::milliseconds kLookForTheDead{20};
constexpr std::chrono::seconds kJoinPatience{5};

}  // namespace

TopicGroupReader::TopicGroupReader(const TopicSpec& spec, const TopicOptions& options, const TransportContext& context)
    : file_(TopicFile::open(spec, options, context)),
      options_(options),
      topic_(spec.name),
      place_(file_, spec.name),
      holds_(file_.holds(place_.index())),
      holes_(file_, options.hole_timeout, options.stall_timeout),
      group_(file_, 0) {
  file_.lock_patiently(kGroupsByte, shm::Deadline::after(kJoinPatience),
                       "topic '" + topic_ + "': somebody has been joining a group for too long");
  SLUICE_KILL_POINT("slick.group.locked");
  enter(std::min(wanted_history(spec), file_.geometry().history));
  file_.lock().unlock(kGroupsByte);  // what `enter` throws ends us, and with us the lock
  books_.joined = group_.entry().joined.load_acquire();
  write_books();
}

/// Holding kGroupsByte. First the group lives, then we are its member: whoever looks in between finds a group without
/// members that are alive, and needs the byte to end it.
void TopicGroupReader::enter(std::uint64_t history) {
  group_ = TopicGroup(file_, find_group(file_, options_.group, topic_));
  if (!group_lives(group_.entry().life.load_acquire())) group_.begin(options_.group, history);
  ReaderEntry& entry = file_.reader(place_.index());
  entry.group.store_release(group_.index() + 1);
  SLUICE_KILL_POINT("slick.group.entering");
  (void)place_.join([this] { return file_.control().reserved.load_acquire(); });
}

TopicGroupReader::~TopicGroupReader() {
  if (!file_.lock().usable()) return;
  write_books();
  clear_holds(file_, place_.index());
  orphan_claims(file_, place_.index());
  SLUICE_KILL_POINT("slick.group.leaving");
  place_.leave();
  (void)group_.end_if_deserted();
  if (file_.control().doorbell.waiting()) file_.control().doorbell.ring();  // somebody is to take over what we had
}

/// After our eviction. False: not now, somebody else holds the byte.
bool TopicGroupReader::reenter() noexcept {
  try {
    if (!file_.lock().try_lock_exclusive(kGroupsByte)) return false;
    const std::uint64_t before = group_.entry().next.load_acquire();
    const bool ended = !group_lives(group_.entry().life.load_acquire());
    SLUICE_KILL_POINT("slick.group.reentering");
    enter(0);
    if (ended) {  // we were all evicted: what was published meanwhile is nobody's
      const std::uint64_t lost = group_.entry().next.load_acquire() - before;
      books_.lost += lost;
      lost_before_next_ += lost;
    }
    file_.lock().unlock(kGroupsByte);
  } catch (const Error&) {
    return false;
  }
  ++books_.evictions;
  write_books();
  return true;
}

std::optional<TakenMessage> TopicGroupReader::take() noexcept {
  std::optional<TakenMessage> taken;
  place_.own().taken_from_here();
  if (is_out() && !reenter()) return taken;
  waits_for_release_ = false;
  if (look_back_tick_.is_new() && take_abandoned(taken.emplace())) return taken;
  if (waits_for_release_ || !take_next(taken.emplace())) taken.reset();
  return taken;
}

// Cases of a look at position `next`:
//  1. its word speaks of it: somebody has it or had it; help `next` past it.
//  2. a message: claim it, move `next`, read it. What cannot be read any more was lapped; the claim's owner counts it.
//  3. a jump: whoever settles its word counts it as skipped.
//  4. a later lap is there: the group was lapped.
//  5. nothing yet: now and then look whether there is a hole, or whether the group was lapped.
bool TopicGroupReader::take_next(TakenMessage& message) noexcept {
  for (std::uint64_t looks = 0; looks < file_.geometry().patience(); ++looks) {
    const std::uint64_t next = group_.entry().next.load_seq_cst();
    if (claim_is_of(group_.claim(next).load_acquire(), next)) {
      help_past(next);
      continue;
    }
    const std::uint64_t stamp = file_.cell(next).stamp.load_acquire();
    if (stamp == stamp_message(next)) {
      if (!can_read()) return false;
      if (!group_.settle(next, claimed(next))) {
        if (is_nonsense(next)) (void)step_over(next);
        continue;
      }
      SLUICE_KILL_POINT("slick.group.claimed");
      help_past(next);
      if (read(next, message)) {
        ++books_.received;
        return true;
      }
      if (file_.reliable() && place_.evicted()) {
        ++books_.received;  // by whoever gets it: there it counts as redelivered
        abandon(next);
        return false;
      }
      pass_over(next);
    } else if (stamp == stamp_jump(next)) {
      if (group_.settle(next, claim_of(next, place_.index(), ClaimState::done))) ++books_.skipped;
      help_past(next);
      advance();
    } else if (stamp > stamp_jump(next)) {
      if (file_.control().reserved.load_acquire() <= next) return false;  // bytes that no publisher of ours wrote
      fall_behind(next);
    } else {
      if (file_.reliable() && file_.control().space.waiting_relaxed()) advance();
      if (!tick_.is_new() || !look_for_trouble(next)) return false;
    }
  }
  return false;
}

/// Whether there is a hold and memory for one more message; before it is claimed.
bool TopicGroupReader::can_read() noexcept {
  waits_for_release_ = file_.geometry().has_pool() && holds_.full();
  return !waits_for_release_ && copies_.prepare(sizeof(Ticket) + file_.geometry().inline_limit) != nullptr;
}

/// Looks for messages whose member died or was evicted before it gave them back.
bool TopicGroupReader::take_abandoned(TakenMessage& message) noexcept {
  GroupEntry& group = group_.entry();
  const std::uint64_t next = group.next.load_acquire();
  const std::uint64_t oldest = group.cursor.load_acquire();
  const std::uint64_t lap = file_.geometry().capacity;
  for (std::uint64_t position = std::max(oldest, next > lap ? next - lap : 0); position < next; ++position) {
    std::uint64_t word = group_.claim(position).load_acquire();
    if (!claim_is_of(word, position) || claim_state(word) != ClaimState::claimed || word == claimed(position)) continue;
    if (!group_.is_abandoned(word)) {
      word = group_.claim(position).load_acquire();  // an orphan by now, if its member is dead
      if (!claim_is_of(word, position) || claim_member(word) != kOrphan) continue;
    }
    if (!can_read()) return false;
    if (!group_.claim(position).compare_exchange_seq_cst(word, claimed(position))) continue;
    SLUICE_KILL_POINT("slick.group.taken_over");
    if (read(position, message)) {
      message.info.redelivered = true;
      ++books_.redelivered;
      return true;
    }
    if (file_.reliable() && place_.evicted()) {
      abandon(position);
      return false;
    }
    pass_over(position);
  }
  return false;
}

/// SYNC hold→scan: as TopicReader::take_chunk. Our claim keeps the group's cursor from passing the position until we
/// are evicted, so on a reliable topic nothing is overwritten before that.
bool TopicGroupReader::read(std::uint64_t position, TakenMessage& message) noexcept {
  const TopicGeometry& geometry = file_.geometry();
  Cell& cell = file_.cell(position);
  const std::byte* payload = TopicFile::payload(cell);
  std::byte* ticket_memory = copies_.prepare(sizeof(Ticket) + geometry.inline_limit);
  Cell header;
  shm::copy_unvalidated(&header, &cell, kCellHeader);
  const bool in_chunk = header.length > geometry.inline_limit;
  ChunkReference reference{};
  shm::copy_unvalidated(&reference, payload, sizeof(reference));
  if (!in_chunk) shm::copy_unvalidated(ticket_memory + sizeof(Ticket), payload, header.length);
  if (!file_.horizon_within(position, geometry.capacity)) return false;

  const std::byte* data = ticket_memory + sizeof(Ticket);
  std::uint32_t hold = 0;
  if (in_chunk) {
    const std::span<const std::byte> chunk = file_.chunk(reference.chunk);
    const auto slot = header.length <= chunk.size() ? holds_.add(reference.chunk) : std::nullopt;
    if (!slot) return false;
    hold = *slot + 1;
    if (place_.evicted() || (!file_.reliable() && !file_.horizon_within(position, geometry.window))) {
      holds_.release(*slot);
      return false;
    }
    data = chunk.data();
  }
  const Ticket ticket{position, hold, 0, {}};
  std::memcpy(ticket_memory, &ticket, sizeof(ticket));
  message = {data,
             header.length,
             {header.sequence, header.published_ns, header.publisher, lost_before_next_},
             copies_.hand_out()};
  lost_before_next_ = 0;
  books_.bytes += message.size;
  if ((books_.received + books_.redelivered) % kBooksPeriod == 0) write_books();
  return true;
}

/// We were evicted before we could read what we had claimed: it is for another member.
void TopicGroupReader::abandon(std::uint64_t position) noexcept {
  std::uint64_t word = claimed(position);
  (void)group_.claim(position).compare_exchange_seq_cst(word, claim_of(position, kOrphan, ClaimState::claimed));
}

/// What we claimed cannot be had: lapped, or nonsense.
void TopicGroupReader::pass_over(std::uint64_t position) noexcept {
  ++books_.lost;
  ++lost_before_next_;
  acknowledge(position);
}

/// Somebody else's word of a later lap, although `next` is here: bytes that no member of ours wrote.
bool TopicGroupReader::is_nonsense(std::uint64_t position) const noexcept {
  const std::uint64_t word = group_.claim(position).load_seq_cst();
  return !claim_is_before(word, position) && !claim_is_of(word, position) &&
         group_.entry().next.load_seq_cst() == position;
}

/// Lets the group go on where a reader goes on that was lapped at `position`. How many positions that passes over; 0
/// when somebody else has moved `next`.
std::uint64_t TopicGroupReader::step_over(std::uint64_t position) noexcept {
  const std::uint64_t target = file_.geometry().after_lap(position, file_.control().reserved.load_acquire());
  std::uint64_t expected = position;
  return group_.entry().next.compare_exchange_seq_cst(expected, target) ? target - position : 0;
}

void TopicGroupReader::help_past(std::uint64_t position) noexcept {
  std::uint64_t expected = position;
  group_.entry().next.compare_exchange_seq_cst(expected, position + 1);
  SLUICE_KILL_POINT("slick.group.next_moved");
}

/// best_effort. Whoever settles the word of `position` counts it; whoever moves `next` counts the rest.
void TopicGroupReader::fall_behind(std::uint64_t position) noexcept {
  if (!group_.settle(position, claim_of(position, place_.index(), ClaimState::done))) {
    if (!is_nonsense(position)) return help_past(position);
    (void)step_over(position);  // from a nonsensical `next`, one by one, it might take for ever
    return;
  }
  const std::uint64_t lost = std::max<std::uint64_t>(1, step_over(position));
  books_.lost += lost;
  lost_before_next_ += lost;
  advance();
}

void TopicGroupReader::release(const TakenMessage& message) noexcept {
  Ticket ticket;
  std::memcpy(&ticket, CopyBuffers::memory(message.handle), sizeof(ticket));
  if (ticket.hold != 0) holds_.release(ticket.hold - 1);
  CopyBuffers::give_back(message.handle);
  acknowledge(ticket.position);
}

/// Fails, and rightly, when the claim was taken away from us. Any thread.
void TopicGroupReader::acknowledge(std::uint64_t position) noexcept {
  std::uint64_t word = claimed(position);
  const std::uint64_t done = claim_of(position, place_.index(), ClaimState::done);
  if (!group_.claim(position).compare_exchange_seq_cst(word, done)) return;
  SLUICE_KILL_POINT("slick.group.done");
  advance();
}

/// SYNC space: moving the cursor is a seq_cst read-modify-write before the look at the bit.
void TopicGroupReader::advance() noexcept {
  if (group_.advance_cursor() && file_.control().space.waiting()) file_.control().space.ring();
}

bool TopicGroupReader::look_for_trouble(std::uint64_t next) noexcept {
  const TopicControl& control = file_.control();
  if (!file_.reliable() && control.horizon.load_acquire() > next + file_.geometry().capacity) {
    fall_behind(next);
    return true;
  }
  const std::uint64_t reserved = control.reserved.load_acquire();
  if (reserved < next) {  // bytes that no member of ours wrote: nobody has ever been there
    std::uint64_t expected = next;
    group_.entry().next.compare_exchange_seq_cst(expected, reserved);
  }
  return holes_.look(next, reserved);
}

std::optional<WaitFor> TopicGroupReader::arm() noexcept {
  write_books();
  place_.own().taken_from_here();
  if (is_out()) return std::nullopt;
  advance();
  GroupEntry& group = group_.entry();
  if (waits_for_release_) return holds_.arm(kLookForTheDead);
  const std::uint32_t value = file_.control().doorbell.arm();
  SLUICE_KILL_POINT("slick.group.armed");
  const std::uint64_t next = group.next.load_seq_cst();
  const bool taken = claim_is_of(group_.claim(next).load_acquire(), next);
  if (taken || file_.has_something_at(next) || look_for_trouble(next)) return std::nullopt;
  WaitFor wait{&file_.control().doorbell.word(), value, shm::kLongestSleep};
  if (group.cursor.load_acquire() < next) {
    wait.at_most = kLookForTheDead;
    look_back_tick_.forget();  // and look at the next take
  }
  wait.at_most = holes_.until_next_look(std::min<std::chrono::nanoseconds>(wait.at_most, options_.evict_after / 4));
  return wait;
}

void TopicGroupReader::write_books() noexcept { place_.write_books(stats(), group_.entry().next.load_relaxed()); }

ReaderStats TopicGroupReader::stats() const noexcept {
  ReaderStats stats = books_;
  if (place_.evicted()) ++stats.evictions;  // also if it never takes again
  stats.joined = group_.entry().joined.load_acquire();
  stats.reserved = file_.control().reserved.load_acquire();
  stats.queued = stats.reserved - std::min(stats.reserved, group_.entry().next.load_acquire());
  return stats;
}

}  // namespace sluice::slick
