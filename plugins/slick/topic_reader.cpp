#include "slick/topic_reader.hpp"

#include <sluice/shm/kill_point.hpp>
#include <sluice/shm/unvalidated_copy.hpp>

#include <algorithm>
#include <new>
#include <utility>

#include "slick/entries.hpp"
#include "slick/horizon.hpp"

namespace sluice::slick {

TopicReader::TopicReader(const TopicSpec& spec, const TopicOptions& options, const TransportContext& context)
    : file_(TopicFile::open(spec, options, context)), options_(options), place_(file_, spec.name) {
  cursor_period_ = std::max<std::uint64_t>(1, file_.geometry().capacity / 8);
  look_ahead_ = std::min<std::uint64_t>(16, file_.geometry().capacity / 2);
  if (file_.reliable()) released_.assign(file_.geometry().capacity, 0);
  join();
  books_.joined = next_;
  write_books();
}

void TopicReader::join() noexcept {
  next_ = oldest_ = place_.join([this] { return file_.control().reserved.load_acquire(); });
}

TopicReader::~TopicReader() {
  if (!file_.lock().usable()) return;
  write_books();
  place_.leave();
}

/// Whether everything read so far from the cell of `position` belongs to that position. The caller's loads came before;
/// SYNC horizon→data: the acquire fence pairs with the release fence between a producer's load of the horizon and its
/// stores, so reading anything of a later lap means finding the horizon beyond position + capacity here.
bool TopicReader::intact(std::uint64_t position) const noexcept {
  shm::fence_acquire();
  return file_.control().horizon.load_relaxed() <= position + file_.geometry().capacity;
}

// Cases of a look at the cell of next_:
//  1. stamp is message(next_): take it, unless it was overwritten while we looked (5).
//  2. stamp is jump(next_): an empty position; count it and go on.
//  3. stamp is beyond both: a later lap is here; we were lapped (5).
//  4. stamp is of an earlier lap: nothing yet. Now and then look whether the position was granted (hole) or passed (5).
//  5. lapped: count what is gone, go on at a position that is safely there.
std::optional<TakenMessage> TopicReader::take() noexcept {
  std::optional<TakenMessage> taken;  // the one result, so that it is never copied: a copy would wait for its stores
  if (file_.reliable() && place_.evicted()) rejoin_after_eviction();
  for (;;) {
    Cell& cell = file_.cell(next_);
    __builtin_prefetch(reinterpret_cast<const std::byte*>(&cell) + shm::kCacheLine);
    const std::uint64_t stamp = cell.stamp.load_acquire();
    if (stamp == stamp_message(next_)) {
      std::byte* copy = nullptr;
      if (!file_.reliable()) {
        copy = copies_.prepare(kCellHeader + file_.geometry().max_payload);
        if (copy == nullptr) return taken;  // no memory: the message stays where it is
      }
      if (file_.reliable() ? take_in_place(cell, taken) : take_copy(cell, copy, taken)) return taken;
    } else if (stamp == stamp_jump(next_)) {
      skip();
    } else if (stamp > stamp_jump(next_)) {
      fall_behind();
    } else {
      if (file_.reliable() && file_.control().space.waiting_relaxed()) place_.publish_cursor(oldest_);
      if (!time_to_look() || !look_for_trouble()) return taken;
    }
  }
}

bool TopicReader::take_in_place(Cell& cell, std::optional<TakenMessage>& taken) noexcept {
  if (cell.length > file_.geometry().max_payload) {
    skip();  // bytes that no publisher of ours wrote
    return false;
  }
  if (!intact(next_)) {
    fall_behind();
    return false;
  }
  released_[next_ & file_.geometry().mask] = 0;
  deliver(taken.emplace(), TopicFile::payload(cell), cell, next_);
  return true;
}

bool TopicReader::take_copy(Cell& cell, std::byte* copy, std::optional<TakenMessage>& taken) noexcept {
  shm::copy_unvalidated(copy, &cell, kCellHeader);
  auto* header = reinterpret_cast<Cell*>(copy);
  // A length that was torn is caught by the horizon; until then it only has to stay inside the cell.
  const std::size_t length = std::min<std::size_t>(header->length, file_.geometry().max_payload);
  shm::copy_unvalidated(copy + kCellHeader, TopicFile::payload(cell), length);
  if (!intact(next_)) {
    fall_behind();
    return false;
  }
  if (header->length > file_.geometry().max_payload) {
    skip();
    return false;
  }
  deliver(taken.emplace(), copy + kCellHeader, *header, copies_.hand_out());
  return true;
}

void TopicReader::deliver(TakenMessage& message, const std::byte* data, const Cell& header,
                          std::uint64_t handle) noexcept {
  message.data = data;
  message.size = header.length;
  message.info = {header.sequence, header.published_ns, header.publisher, lost_before_next_};
  message.handle = handle;
  lost_before_next_ = 0;
  ++next_;
  ++books_.received;
  books_.bytes += message.size;
  if (books_.received % kBooksPeriod == 0) write_books();
  if (next_ >= look_again_) look_ahead();
  if (next_ < filled_until_) prefetch_cell(next_ + look_ahead_ / 2);
}

/// Finds out, once in a while, whether the reader is behind. Only then may it ask for the lines of cells to come, so
/// that their transfers overlap: of cells that are yet to be written, it would take them out of the publisher's hands.
void TopicReader::look_ahead() noexcept {
  look_again_ = next_ + look_ahead_;
  const bool filled = file_.cell(look_again_).stamp.load_relaxed() >= stamp_message(look_again_);
  filled_until_ = filled ? look_again_ : 0;
}

void TopicReader::prefetch_cell(std::uint64_t position) const noexcept {
  const auto* line = reinterpret_cast<const std::byte*>(&file_.cell(position));
  __builtin_prefetch(line);
  __builtin_prefetch(line + shm::kCacheLine);
}

void TopicReader::skip() noexcept {
  ++books_.skipped;
  const std::uint64_t position = next_++;
  if (file_.reliable()) mark_released(position);
}

void TopicReader::fall_behind() noexcept {
  if (file_.reliable()) {  // only an evicted reader is ever lapped
    rejoin_after_eviction();
    return;
  }
  // Half a ring back is well inside the three quarters that are intact, so the publishers do not lap us again at once.
  const std::uint64_t reserved = file_.control().reserved.load_acquire();
  const std::uint64_t keep = file_.geometry().capacity / 2;
  const std::uint64_t target = std::max(next_ + 1, reserved > keep ? reserved - keep : 0);
  books_.lost += target - next_;
  lost_before_next_ += target - next_;
  next_ = target;
}

void TopicReader::rejoin_after_eviction() noexcept {
  const std::uint64_t expected = next_;
  SLUICE_KILL_POINT("slick.rejoin.begun");
  join();
  SLUICE_KILL_POINT("slick.rejoin.joined");
  ++books_.evictions;
  books_.lost += next_ - expected;
  lost_before_next_ += next_ - expected;
  write_books();
}

void TopicReader::release(const TakenMessage& message) noexcept {
  if (file_.reliable()) {
    mark_released(message.handle);
  } else {
    copies_.give_back(message.handle);
  }
}

bool TopicReader::valid(const TakenMessage& message) const noexcept {
  return !file_.reliable() || intact(message.handle);
}

void TopicReader::mark_released(std::uint64_t position) noexcept {
  if (position < oldest_) return;  // of a place that was lost by eviction
  const std::uint64_t mask = file_.geometry().mask;
  released_[position & mask] = 1;
  while (oldest_ < next_ && released_[oldest_ & mask] != 0) ++oldest_;
  const bool due = oldest_ - place_.published_cursor() >= cursor_period_;
  if (due || file_.control().space.waiting_relaxed()) place_.publish_cursor(oldest_);
}

/// Looking costs the publishers a cache line, so a polling reader looks once in a tick of the coarse clock: spinning or
/// polling rarely, it finds a hole in time.
bool TopicReader::time_to_look() noexcept {
  const std::int64_t tick = shm::monotonic_coarse_ns();
  return std::exchange(last_look_ns_, tick) != tick;
}

/// Called when nothing is published at next_. True: something changed, look again.
bool TopicReader::look_for_trouble() noexcept {
  const TopicControl& control = file_.control();
  if (control.horizon.load_acquire() > next_ + file_.geometry().capacity) {
    fall_behind();
    return true;
  }
  if (control.reserved.load_acquire() <= next_) {
    hole_ = UINT64_MAX;
    return false;
  }
  const std::int64_t now = shm::monotonic_ns();
  if (hole_ != next_) {
    hole_ = next_;
    hole_since_ns_ = now;
    hole_look_ns_ = now + options_.hole_timeout.count();
    return false;
  }
  if (now < hole_look_ns_) return false;
  // A publisher that is merely not running (preempted on a busy machine, throttled) gets more time than a dead one:
  // giving its position up costs a message.
  if (now - hole_since_ns_ < options_.stall_timeout.count() && owner_lives(file_, next_)) {
    hole_look_ns_ = now + options_.hole_timeout.count();
    return false;
  }
  repair_hole(next_);
  hole_ = UINT64_MAX;
  return true;
}

/// First the owner, if it is still there, is made to notice; then the position becomes a jump. Dying in between leaves
/// a fenced owner and an unpublished position, which the next reader repairs. Two repairers do the same things twice.
void TopicReader::repair_hole(std::uint64_t position) noexcept {
  Cell& cell = file_.cell(position);
  std::uint64_t stamp = cell.stamp.load_acquire();
  // Published since we looked: fencing its owner now would unmake a message that everybody can have.
  if (stamp >= stamp_message(position)) return;
  SLUICE_KILL_POINT("slick.repair.begun");
  fence_writers(file_, [&](std::uint64_t h) { return h == position; });
  SLUICE_KILL_POINT("slick.repair.fenced");
  // Only from what we saw: a publication that came first wins.
  cell.stamp.compare_exchange_seq_cst(stamp, stamp_jump(position));
  SLUICE_KILL_POINT("slick.repair.done");
  if (file_.control().doorbell.waiting()) file_.control().doorbell.ring();
}

std::optional<WaitFor> TopicReader::arm() noexcept {
  write_books();
  if (file_.reliable()) {
    if (place_.evicted()) return std::nullopt;
    place_.publish_cursor(oldest_);
  }
  const std::uint32_t value = file_.control().doorbell.arm();
  SLUICE_KILL_POINT("slick.doorbell.armed");
  const std::uint64_t stamp = file_.cell(next_).stamp.load_acquire();
  if (stamp >= stamp_message(next_) || look_for_trouble()) return std::nullopt;
  WaitFor wait{&file_.control().doorbell.word(), value, shm::kLongestSleep};
  // Whoever died between clearing the bell and waking us must not get us evicted for oversleeping.
  if (file_.reliable()) wait.at_most = std::min<std::chrono::nanoseconds>(wait.at_most, options_.evict_after / 4);
  if (hole_ == next_) {
    const std::chrono::nanoseconds left{hole_look_ns_ - shm::monotonic_ns()};
    wait.at_most = std::max(left, std::chrono::nanoseconds{1000});
  }
  return wait;
}

std::uint32_t TopicReader::writer_count() const { return count_live_writers(file_); }

ReaderStats TopicReader::stats() const noexcept {
  ReaderStats stats = books_;
  stats.reserved = file_.control().reserved.load_acquire();
  stats.queued = stats.reserved - stats.joined - stats.received - stats.lost - stats.skipped;
  return stats;
}

}  // namespace sluice::slick
