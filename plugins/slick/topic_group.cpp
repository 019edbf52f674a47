#include "slick/topic_group.hpp"

#include <algorithm>

#include <sluice/shm/fixed_text.hpp>
#include <sluice/shm/kill_point.hpp>

#include "slick/own_readers.hpp"

namespace sluice::slick {

namespace {

/// Calls `visit(k)` for the entries of a group's members that are active.
template <typename Visit>
void for_each_member(const TopicFile& file, std::uint32_t group, Visit visit) noexcept {
  for (std::uint32_t k = 0, end = file.reader_entries(); k < end; ++k) {
    const ReaderEntry& entry = file.reader(k);
    const bool active = entry_state(entry.state.load_acquire()) == EntryState::active;
    if (active && entry.group.load_acquire() == group + 1) visit(k);
  }
}

}  // namespace

bool TopicGroup::settle(std::uint64_t position, std::uint64_t wanted) noexcept {
  auto& word = claim(position);
  std::uint64_t found = word.load_acquire();
  // Not from a later lap either: then the group went on a lap since we loaded `next`, and that claim is somebody's.
  return claim_is_before(found, position) && word.compare_exchange_seq_cst(found, wanted);
}

// A position below `next` is claimed, done, or was passed over because the publishers lapped the group (then its word
// is of another lap). Only a claim keeps the cursor.
bool TopicGroup::advance_cursor() noexcept {
  GroupEntry& group = entry();
  bool moved = false;
  for (;;) {
    std::uint64_t position = group.cursor.load_seq_cst();
    const std::uint64_t next = group.next.load_seq_cst();
    if (position >= next) return moved;
    std::uint64_t target = position + 1;
    if (next - position > file_->geometry().capacity) {
      target = next - file_->geometry().capacity;  // lapped: nobody can be given those any more, and they may be many
    } else {
      const std::uint64_t word = claim(position).load_seq_cst();
      if (claim_is_of(word, position) && claim_state(word) == ClaimState::claimed) return moved;
    }
    if (group.cursor.compare_exchange_seq_cst(position, target)) moved = true;
    SLUICE_KILL_POINT("slick.group.advanced");
  }
}

bool TopicGroup::is_abandoned(std::uint64_t word) noexcept {
  const auto member = static_cast<std::uint32_t>(claim_member(word));
  if (member == kOrphan) return true;
  if (member >= file_->geometry().max_readers) return true;  // bytes that no member of ours wrote
  const ReaderEntry& entry = file_->reader(member);
  // A dead one's claims change hands through the orphan alone: its entry may be somebody else's by the time of our CAS.
  if (reclaim_reader_if_dead(*file_, member)) return false;
  return entry_state(entry.state.load_acquire()) == EntryState::evicted;
}

// Cases, for a cursor that still stands at `position`:
//  1. a member has it: that one.
//  2. nobody has it, or one who is evicted already has and nobody takes it over: they all stand still.
//  3. there is no member, and whoever is joining or leaving stands still with kGroupsByte: the group ends without it.
//     A joiner that goes on finds that at its first take.
bool TopicGroup::evict_laggards(std::uint64_t position) noexcept {
  const std::uint32_t life = entry().life.load_acquire();
  const std::uint64_t word = claim(position).load_acquire();
  const bool claimed = claim_is_of(word, position) && claim_state(word) == ClaimState::claimed;
  const auto owner = static_cast<std::uint32_t>(claim_member(word));
  const bool known = claimed && owner < file_->geometry().max_readers;
  const std::uint32_t state = known ? file_->reader(owner).state.load_acquire() : 0;
  SLUICE_KILL_POINT("slick.group.evicting");
  // Our decision may be old: since then another publisher may have dealt with it.
  if (entry().cursor.load_acquire() != position) return false;
  if (known && evict_reader(*file_, owner, state)) return true;
  bool any = false;
  bool changed = false;
  for_each_member(*file_, index_, [&](std::uint32_t member) {
    any = true;
    const std::uint32_t seen = file_->reader(member).state.load_acquire();
    if (entry().cursor.load_acquire() == position) changed = evict_reader(*file_, member, seen) || changed;
  });
  if (any || entry().cursor.load_acquire() != position) return changed;
  return end(life);
}

/// Ends that life and no later one: whoever decided on it may have slept since.
bool TopicGroup::end(std::uint32_t life) noexcept {
  const bool ended = group_lives(life) && entry().life.compare_exchange_seq_cst(life, life + 1);
  SLUICE_KILL_POINT("slick.group.ended");
  return ended;
}

bool TopicGroup::is_own() const noexcept {
  const std::uint64_t position = entry().cursor.load_acquire();
  const std::uint64_t word = claim(position).load_acquire();
  const bool claimed = claim_is_of(word, position) && claim_state(word) == ClaimState::claimed;
  bool any = false;
  bool all = true;
  for_each_member(*file_, index_, [&](std::uint32_t member) {
    if (claimed && claim_member(word) != kOrphan && claim_member(word) != member) return;
    any = true;
    all = all && OwnReader::is_own(file_->inode(), member);
  });
  return any && all;
}

bool TopicGroup::end_if_deserted() noexcept {
  try {
    if (!file_->lock().try_lock_exclusive(kGroupsByte)) return false;
  } catch (const Error&) {
    return false;  // after a fork
  }
  const bool ended = end_if_deserted_locked();
  file_->lock().unlock(kGroupsByte);
  return ended;
}

bool TopicGroup::end_if_deserted_locked() noexcept {
  const std::uint32_t life = entry().life.load_acquire();
  if (!group_lives(life)) return false;
  bool deserted = true;
  for_each_member(*file_, index_,
                  [&](std::uint32_t member) { deserted = reclaim_reader_if_dead(*file_, member) && deserted; });
  return deserted && end(life);
}

/// SYNC join→scan, as in ReaderPlace::join: cursor, live, fence, R.
void TopicGroup::begin(const std::string& name, std::uint64_t history) noexcept {
  GroupEntry& group = entry();
  // What an earlier life of this place claimed or did says nothing about the history that this one gets.
  for (std::uint64_t position = 0; position < file_->geometry().capacity; ++position) claim(position).store_relaxed(0);
  shm::store_text(group.name, name);
  file_->control().group_entries.raise_to_acq_rel(index_ + 1);
  const auto start = [&] {
    const std::uint64_t reserved = file_->control().reserved.load_acquire();
    return reserved - std::min(reserved, history);
  };
  const std::uint64_t announced = start();
  group.next.store_relaxed(announced);
  group.cursor.store_relaxed(announced);
  SLUICE_KILL_POINT("slick.group.announced");
  group.life.store_seq_cst(group.life.load_relaxed() | 1U);
  SLUICE_KILL_POINT("slick.group.live");
  shm::fence_seq_cst();
  const std::uint64_t joined = start();
  group.joined.store_relaxed(joined);
  group.next.store_release(joined);
  group.cursor.store_release(joined);
  SLUICE_KILL_POINT("slick.group.begun");
}

std::uint32_t find_group(TopicFile& file, const std::string& name, const std::string& topic) {
  const std::uint32_t count = file.geometry().max_groups;
  std::uint32_t free = count;
  for (std::uint32_t k = 0; k < count; ++k) {
    const bool lives = group_lives(file.group(k).life.load_acquire());
    if (lives && shm::load_text(file.group(k).name) == name) return k;
    if (free == count && (!lives || TopicGroup(file, k).end_if_deserted_locked())) free = k;
  }
  if (free != count) return free;
  throw Error("topic '" + topic + "': group '" + name + "': all " + std::to_string(count) +
              " places for groups are taken; raise max_groups");
}

void orphan_claims(TopicFile& file, std::uint32_t member) noexcept {
  for (std::uint32_t group = 0, end = file.group_entries(); group < end; ++group) {
    for (std::uint64_t cell = 0; cell < file.geometry().capacity; ++cell) {
      auto& claim = file.claim(group, cell);
      std::uint64_t word = claim.load_acquire();
      if (claim_state(word) != ClaimState::claimed || claim_member(word) != member) continue;
      claim.compare_exchange_seq_cst(word, claim_of(word >> 18U, kOrphan, ClaimState::claimed));
      SLUICE_KILL_POINT("slick.group.orphaned");
    }
  }
}

}  // namespace sluice::slick
