#include "slick/topic_reader.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include <sluice/shm/kill_point.hpp>
#include <sluice/shm/unvalidated_copy.hpp>

#include "slick/entries.hpp"

namespace sluice::slick {

namespace {

/// Handles of messages in chunks are the number of the hold, marked; other handles have this bit clear.
constexpr std::uint64_t kHeld = std::uint64_t{1} << 63U;

}  // namespace

TopicReader::TopicReader(const TopicSpec& spec, const TopicOptions& options, const TransportContext& context)
    : file_(TopicFile::open(spec, options, context)),
      options_(options),
      place_(file_, spec.name),
      holds_(file_.holds(place_.index())),
      holes_(file_, options.hole_timeout, options.stall_timeout) {
  const TopicGeometry& geometry = file_.geometry();
  // Chunks are used again the sooner the earlier publishers know that they can be.
  const std::uint64_t period = geometry.has_pool() ? 1 : geometry.capacity / 4;
  cursor_mask_ = std::bit_ceil(std::max<std::uint64_t>(1, period)) - 1;
  look_ahead_ = std::min<std::uint64_t>(32, geometry.capacity / 2);
  if (file_.reliable()) {
    released_.start(geometry.capacity);
    place_.own().on_full([this] { settle(); });
  }
  join(std::min(wanted_history(spec), geometry.history));
  books_.joined = next_;
  write_books();
}

void TopicReader::join(std::uint64_t history) noexcept {
  const auto reserved = [this] { return file_.control().reserved.load_acquire(); };
  if (!file_.reliable()) {
    next_ = place_.join(reserved, history);
    return;
  }
  released_.alone([&] {
    next_ = place_.join(reserved, history);
    released_.restart(next_);
  });
}

TopicReader::~TopicReader() {
  place_.own().on_full(nullptr);
  if (!file_.lock().usable()) return;
  write_books();
  clear_holds(file_, place_.index());
  place_.leave();
}

// The steps of taking a message come before the functions that are made of them, and are part of each of these.
#define SLUICE_STEP [[gnu::always_inline]] inline

SLUICE_STEP void TopicReader::prefetch_cell(std::uint64_t position) const noexcept {
  const auto* line = reinterpret_cast<const std::byte*>(&file_.cell(position));
  __builtin_prefetch(line);
  __builtin_prefetch(line + shm::kCacheLine);
}

SLUICE_STEP void TopicReader::deliver(TakenMessage& message, const std::byte* data, const Cell& header,
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

SLUICE_STEP TopicReader::Look TopicReader::take_reliable(const Cell& cell, TakenMessage& message) noexcept {
  const std::byte* payload = TopicFile::payload(const_cast<Cell&>(cell));
  if (cell.length > file_.geometry().inline_limit) {
    // Copied: evicted after we have checked our hold, we keep the chunk and not the cell.
    Cell header;
    ChunkReference reference;
    shm::copy_unvalidated(&header, &cell, kCellHeader);
    shm::copy_unvalidated(&reference, payload, sizeof(reference));
    return take_chunk(header, reference, message);
  }
  if (!place_.was_waited_for()) {
    return fall_behind() ? Look::passed : Look::stays;
  }
  released_.hand_out_until(next_ + 1);
  deliver(message, payload, cell, next_);
  return Look::taken;
}

SLUICE_STEP TopicReader::Look TopicReader::take_best_effort(const Cell& cell, TakenMessage& message) noexcept {
  const std::byte* payload = TopicFile::payload(const_cast<Cell&>(cell));
  Cell header;
  shm::copy_unvalidated(&header, &cell, kCellHeader);
  // A length that was torn is caught by the horizon; until then it only has to stay inside the cell.
  const bool in_chunk = header.length > file_.geometry().inline_limit;
  ChunkReference reference{};
  std::byte* copy = nullptr;
  if (in_chunk) {
    shm::copy_unvalidated(&reference, payload, sizeof(reference));
  } else {
    copy = copies_.prepare(std::max<std::size_t>(1, file_.geometry().inline_limit));
    if (copy == nullptr) return Look::stays;
    shm::copy_unvalidated(copy, payload, header.length);
  }
  if (!file_.horizon_within(next_, file_.geometry().capacity)) {
    return fall_behind() ? Look::passed : Look::stays;
  }
  if (in_chunk) return take_chunk(header, reference, message);
  deliver(message, copy, header, copies_.hand_out());
  return Look::taken;
}

// Cases of a look at the cell of next_:
//  1. stamp is message(next_): take it, unless it was overwritten while we looked (5).
//  2. stamp is jump(next_): an empty position; count it and go on.
//  3. stamp is beyond both: a later lap is here; we were lapped (5).
//  4. stamp is of an earlier lap: nothing yet. Now and then look whether the position was granted (hole) or passed (5).
//  5. lapped: count what is gone, go on at a position that is safely there.
SLUICE_STEP bool TopicReader::take_into(TakenMessage& message) noexcept {
  waits_for_release_ = false;
  std::uint64_t looks = 0;
  do {
    const Cell& cell = file_.cell(next_);
    __builtin_prefetch(reinterpret_cast<const std::byte*>(&cell) + shm::kCacheLine);
    const std::uint64_t stamp = cell.stamp.load_acquire();
    if (stamp == stamp_message(next_)) {
      SLUICE_KILL_POINT("slick.take.found");
      const Look look = file_.reliable() ? take_reliable(cell, message) : take_best_effort(cell, message);
      if (look != Look::passed) return look == Look::taken;
    } else if (stamp == stamp_jump(next_)) {
      skip();
    } else if (stamp > stamp_jump(next_)) {
      if (!fall_behind()) return false;
    } else {
      if (file_.reliable() && file_.control().space.waiting_relaxed()) settle();
      if (!tick_.is_new() || !look_for_trouble()) return false;
    }
  } while (++looks < file_.geometry().patience());
  return false;
}

#undef SLUICE_STEP

std::optional<TakenMessage> TopicReader::take() noexcept {
  std::optional<TakenMessage> taken;  // the one result, so that it is never copied: a copy would wait for its stores
  place_.own().taken_from_here();
  if (file_.reliable() && place_.evicted()) rejoin_after_eviction();
  if (!take_into(taken.emplace())) taken.reset();
  return taken;
}

std::size_t TopicReader::take_batch(std::span<TakenMessage> out) noexcept {
  place_.own().taken_from_here();
  if (file_.reliable() && place_.evicted()) rejoin_after_eviction();
  std::size_t count = 0;
  while (count < out.size() && take_into(out[count])) ++count;
  return count;
}

/// SYNC hold→scan (Dekker with ChunkPool::look_around): the hold is stored, then a fence, then we look whether a scan
/// may have missed it. best_effort: only one that saw the horizon beyond the window, and then we see it too. reliable:
/// only one that saw us evicted; until then our cursor protects the position.
TopicReader::Look TopicReader::take_chunk(const Cell& header, ChunkReference reference,
                                          TakenMessage& message) noexcept {
  const std::span<const std::byte> chunk = file_.chunk(reference.chunk);
  if (header.length > file_.geometry().max_payload || header.length > chunk.size()) {
    skip();  // bytes that no publisher of ours wrote
    return Look::passed;
  }
  const auto hold = holds_.add(reference.chunk);
  if (!hold) {
    waits_for_release_ = true;
    return Look::stays;
  }
  const bool safe = file_.reliable() ? !place_.evicted() : file_.horizon_within(next_, file_.geometry().window);
  SLUICE_KILL_POINT("slick.hold.checked");
  if (!safe) {
    holds_.release(*hold);
    return fall_behind() ? Look::passed : Look::stays;
  }
  const std::uint64_t position = next_;
  if (file_.reliable()) released_.hand_out_until(position + 1);
  deliver(message, chunk.data(), header, kHeld | *hold);
  if (file_.reliable()) {
    give_back(position);
  } else {
    place_.show_cursor(next_);
  }
  SLUICE_KILL_POINT("slick.hold.passed");
  return Look::taken;
}

/// Finds out, once in a while, whether the reader is behind. Only then may it ask for the lines of cells to come, so
/// that their transfers overlap: of cells that are yet to be written, it would take them out of the publisher's hands.
void TopicReader::look_ahead() noexcept {
  look_again_ = next_ + look_ahead_;
  const bool filled = file_.cell(look_again_).stamp.load_relaxed() >= stamp_message(look_again_);
  filled_until_ = filled ? look_again_ : 0;
}

void TopicReader::skip() noexcept {
  ++books_.skipped;
  const std::uint64_t position = next_++;
  if (!file_.reliable()) return;
  released_.hand_out_until(next_);
  give_back(position);
}

/// False: nobody can have lapped us, so what we saw are bytes that no publisher of ours wrote.
bool TopicReader::fall_behind() noexcept {
  const std::uint64_t reserved = file_.control().reserved.load_acquire();
  if (reserved <= next_) return false;
  if (file_.reliable()) {  // only an evicted reader is ever lapped
    rejoin_after_eviction();
    return true;
  }
  const TopicGeometry& geometry = file_.geometry();
  const std::uint64_t target = geometry.after_lap(next_, reserved);
  books_.lost += target - next_;
  lost_before_next_ += target - next_;
  next_ = target;
  if (geometry.has_pool()) place_.show_cursor(next_);
  return true;
}

void TopicReader::rejoin_after_eviction() noexcept {
  const std::uint64_t expected = next_;
  SLUICE_KILL_POINT("slick.rejoin.begun");
  join(0);
  SLUICE_KILL_POINT("slick.rejoin.joined");
  ++books_.evictions;
  books_.lost += next_ - expected;
  lost_before_next_ += next_ - expected;
  write_books();
}

void TopicReader::release(const TakenMessage& message) noexcept {
  if ((message.handle & kHeld) != 0) {
    holds_.release(static_cast<std::uint32_t>(message.handle));
  } else if (file_.reliable()) {
    give_back(message.handle);
  } else {
    CopyBuffers::give_back(message.handle);
  }
}

bool TopicReader::valid(const TakenMessage& message) const noexcept {
  if ((message.handle & kHeld) != 0 || !file_.reliable()) return true;
  return file_.horizon_within(message.handle, file_.geometry().capacity);
}

/// reliable: a position that was taken is done with. The taking thread tells publishers now and then, for it will tell
/// them at the latest before it sleeps; another thread cannot count on that.
void TopicReader::give_back(std::uint64_t position) noexcept {
  const bool here = place_.own().is_taken_from_here();
  here ? released_.give_back_here(position) : released_.give_back(position);
  const bool due = (position & cursor_mask_) == cursor_mask_ || !here;
  if (due || file_.control().space.waiting_relaxed()) settle();
}

void TopicReader::settle() noexcept {
  released_.settle([this](std::uint64_t oldest) { place_.publish_cursor(oldest); });
}

/// Called when nothing is published at next_. True: something changed, look again.
bool TopicReader::look_for_trouble() noexcept {
  const TopicControl& control = file_.control();
  if (control.horizon.load_acquire() > next_ + file_.geometry().capacity) {
    return fall_behind();
  }
  return holes_.look(next_, control.reserved.load_acquire());
}

std::optional<WaitFor> TopicReader::arm() noexcept {
  write_books();
  place_.own().taken_from_here();
  if (file_.reliable()) {
    if (place_.evicted()) return std::nullopt;
    settle();
  }
  if (waits_for_release_) {  // a message is there; what is missing is a hold for it
    return holds_.arm(std::min<std::chrono::nanoseconds>(shm::kLongestSleep, options_.evict_after / 4));
  }
  const std::uint32_t value = file_.control().doorbell.arm();
  SLUICE_KILL_POINT("slick.doorbell.armed");
  if (file_.has_something_at(next_) || look_for_trouble()) return std::nullopt;
  WaitFor wait{&file_.control().doorbell.word(), value, shm::kLongestSleep};
  // Whoever died between clearing the bell and waking us must not get us evicted for oversleeping.
  if (file_.reliable()) wait.at_most = std::min<std::chrono::nanoseconds>(wait.at_most, options_.evict_after / 4);
  wait.at_most = holes_.until_next_look(wait.at_most);
  wait.for_silent_deaths = !file_.reliable() && wait.at_most == shm::kLongestSleep;
  return wait;
}

std::uint32_t TopicReader::writer_count() const { return count_live_writers(file_); }

ReaderStats TopicReader::stats() const noexcept {
  ReaderStats stats = books_;
  if (file_.reliable() && place_.evicted()) ++stats.evictions;  // also if it never takes again
  stats.reserved = file_.control().reserved.load_acquire();
  stats.queued = stats.reserved - stats.joined - stats.received - stats.lost - stats.skipped;
  return stats;
}

}  // namespace sluice::slick
