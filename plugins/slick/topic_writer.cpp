#include "slick/topic_writer.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>

#include <sluice/shm/kill_point.hpp>
#include <sluice/shm/sleep.hpp>

#include "slick/books.hpp"
#include "slick/horizon.hpp"

namespace sluice::slick {

namespace {

constexpr std::chrono::milliseconds kQuarantineNap{1};  // between looks whether a stopped publisher went on

void copy_payload(std::byte* to, std::span<const std::byte> from) noexcept {
  const std::size_t half = shm::kKillPoints ? from.size() / 2 : 0;
  if (half > 0) std::memcpy(to, from.data(), half);
  SLUICE_KILL_POINT("slick.publish.half");
  if (!from.empty()) std::memcpy(to + half, from.data() + half, from.size() - half);
}

}  // namespace

TopicWriter::TopicWriter(const TopicSpec& spec, const TopicOptions& options, const TransportContext& context)
    : file_(TopicFile::open(spec, options, context)),
      options_(options),
      max_blocking_time_(spec.qos.max_blocking_time),
      back_pressure_(file_, options.evict_after, max_blocking_time_),
      loans_(file_.geometry().max_payload) {
  // Some cells ahead, for a reader polls the very next one; never so far that it is the cell just published.
  prefetch_distance_ = std::min<std::uint64_t>(4, file_.geometry().capacity / 4);
  fences_.reserve(file_.geometry().max_writers);
  claim_entry(spec);
}

void TopicWriter::claim_entry(const TopicSpec& spec) {
  index_ = claim_writer_entry(file_, spec.name);
  entry_ = &file_.writer(index_);
  // A dead predecessor's INTENT or FENCED goes: it will never store again, and readers repair its hole without it.
  entry_->record.store_release(kRecordIdle);
  SLUICE_KILL_POINT("slick.writer.record_cleared");
  publisher_ = next_publisher_id(file_);
  SLUICE_KILL_POINT("slick.writer.identity_taken");
  entry_->publisher.store_relaxed(publisher_);
  entry_->pid.store_relaxed(static_cast<std::uint32_t>(::getpid()));
  write_books();
  SLUICE_KILL_POINT("slick.writer.described");
  entry_->state.store_release(static_cast<std::uint32_t>(EntryState::active));
  SLUICE_KILL_POINT("slick.writer.active");
}

TopicWriter::~TopicWriter() {
  if (!file_.lock().usable()) return;
  write_books();
  SLUICE_KILL_POINT("slick.writer.leaving");
  entry_->record.store_release(kRecordIdle);
  SLUICE_KILL_POINT("slick.writer.left_idle");
  entry_->state.store_release(static_cast<std::uint32_t>(EntryState::free));
  SLUICE_KILL_POINT("slick.writer.freed");
}

PublishResult TopicWriter::publish(const LoanedBuffer& loan, std::size_t used, std::int64_t published_ns) noexcept {
  const PublishResult result = publish_copy({loan.data, used}, published_ns);
  discard(loan);
  return result;
}

PublishResult TopicWriter::publish_copy(std::span<const std::byte> payload, std::int64_t published_ns) noexcept {
  if (payload.size() > file_.geometry().max_payload) return PublishResult::too_large;
  const auto position = reserve();
  if (!position) {
    ++books_.timeouts;
    write_books();
    return PublishResult::timeout;
  }
  Cell& cell = file_.cell(*position);
  cell.sequence = sequence_;
  cell.published_ns = published_ns;
  cell.publisher = publisher_;
  cell.length = static_cast<std::uint32_t>(payload.size());
  SLUICE_KILL_POINT("slick.publish.header");
  copy_payload(TopicFile::payload(cell), payload);
  SLUICE_KILL_POINT("slick.publish.copied");
  const PublishResult result = commit(*position, cell);
  prefetch_cell(*position + prefetch_distance_);
  ++sequence_;
  ++books_.published;
  books_.bytes += payload.size();
  if (books_.published % kBooksPeriod == 0) write_books();
  return result;
}

// Cases of the loop below:
//  1. position < horizon: announce INTENT, then try the grant.
//  2. position == horizon: the slow path. best_effort always gets on; reliable may have to wait, and may give up.
//  3. the grant went to another producer: the INTENT meant nothing; once more with the position found.
//  4. granted, but the cell is quarantined: a stopped owner may still store into it. Leave a jump there, once more.
//  5. a whole lap of quarantined cells: every place is in the hands of somebody who is stopped. As when the topic is
//  full:
//     best_effort gives up at once, reliable after max_blocking_time.
std::optional<std::uint64_t> TopicWriter::reserve() noexcept {
  TopicControl& control = file_.control();
  std::uint64_t position = control.reserved.load_relaxed();
  std::uint64_t jumps = 0;
  shm::Deadline give_up = shm::Deadline::never();
  for (;;) {
    if (position >= horizon_) {
      refresh_horizon();
      if (position >= horizon_) {
        if (!make_room()) return std::nullopt;
        refresh_horizon();
        position = control.reserved.load_relaxed();
        continue;
      }
    }
    // SYNC intent→grant: the record is stored before the CAS that grants (its release half), so whoever sees `reserved`
    // above a position sees its owner's INTENT. Dying here quarantines at worst a position nobody has.
    entry_->record.store_release(record_intent(position));
    SLUICE_KILL_POINT("slick.reserve.intent");
    if (!control.reserved.compare_exchange_acq_rel(position, position + 1)) continue;
    SLUICE_KILL_POINT("slick.reserve.granted");
    // SYNC horizon→data: with this fence every store into the cell comes after our load of the horizon, so a reader
    // that saw any of them, then fenced and looked at the horizon, finds it beyond the cell's previous lap.
    shm::fence_release();
    if (!fences_.empty() && is_quarantined(position)) {
      file_.cell(position).stamp.raise_to_acq_rel(stamp_jump(position));
      SLUICE_KILL_POINT("slick.reserve.jump_left");
      entry_->record.store_release(kRecordIdle);
      SLUICE_KILL_POINT("slick.reserve.jump_passed");
      ++position;
      if (++jumps % file_.geometry().capacity != 0) continue;
      if (control.doorbell.waiting()) control.doorbell.ring();  // readers have a lap of jumps to pass
      if (jumps == file_.geometry().capacity) give_up = shm::Deadline::after(max_blocking_time_);
      if (!file_.reliable() || give_up.passed()) return std::nullopt;
      shm::sleep_for(kQuarantineNap);
      continue;
    }
    return position;
  }
}

/// Readers have the lines of the cells to come. Asked for now, their transfer overlaps with the caller's work; asked
/// for by the stores, the next locked instruction waits for it.
void TopicWriter::prefetch_cell(std::uint64_t position) noexcept {
  const auto* line = reinterpret_cast<const std::byte*>(&file_.cell(position));
  shm::prefetch_for_writing(line);
  shm::prefetch_for_writing(line + shm::kCacheLine);
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
}

void TopicWriter::find_standing_fences() noexcept {
  fences_.clear();
  for (std::uint32_t k = 0, end = file_.writer_entries(); k < end; ++k) {
    const std::uint64_t record = file_.writer(k).record.load_acquire();
    if (record_state(record) == RecordState::fenced) fences_.push_back({k, record_position(record)});
  }
}

bool TopicWriter::is_quarantined(std::uint64_t position) noexcept {
  return std::any_of(fences_.begin(), fences_.end(), [&](const Fence& fence) {
    const bool same_cell = fence.position < position && ((position - fence.position) & file_.geometry().mask) == 0;
    if (!same_cell || file_.writer(fence.entry).record.load_acquire() != record_fenced(fence.position)) return false;
    // A dead owner stores nothing any more; only a living one that was stopped needs its cell kept free.
    return !reclaim_writer_if_dead(file_, fence.entry);
  });
}

bool TopicWriter::make_room() noexcept {
  if (!advance_horizon(file_)) {
    // Full, so this topic is reliable. What our last attempt announced must not look like work in progress meanwhile.
    entry_->record.store_release(kRecordIdle);
    if (!back_pressure_.wait([this] { return advance_horizon(file_); })) return false;
  }
  back_pressure_.moved();
  return true;
}

PublishResult TopicWriter::commit(std::uint64_t position, Cell& cell) noexcept {
  // SYNC publish→take: release; the reader's acquire load of the stamp sees the whole message.
  cell.stamp.store_release(stamp_message(position));
  SLUICE_KILL_POINT("slick.commit.stamped");
  // Also the full barrier between the publication and the look at the doorbell.
  std::uint64_t record = record_intent(position);
  PublishResult result = PublishResult::ok;
  if (!entry_->record.compare_exchange_seq_cst(record, kRecordIdle)) {
    // FENCED: somebody declared this position a hole while we were stopped. Some readers may have passed it, others may
    // have taken the message. Make it a hole for the rest, lift the quarantine, and let the caller know.
    std::uint64_t stamp = stamp_message(position);
    SLUICE_KILL_POINT("slick.commit.fenced");
    cell.stamp.compare_exchange_seq_cst(stamp, stamp_jump(position));
    SLUICE_KILL_POINT("slick.commit.withdrawn");
    entry_->record.store_release(kRecordIdle);
    ++books_.uncertain;
    result = PublishResult::uncertain;
  }
  SLUICE_KILL_POINT("slick.commit.idle");
  if (file_.control().doorbell.waiting()) file_.control().doorbell.ring();
  return result;
}

WriterStats TopicWriter::stats() const noexcept { return books_; }

}  // namespace sluice::slick
