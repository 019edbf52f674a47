#include "slick/raw_writer.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "slick/books.hpp"
#include "slick/entries.hpp"
#include "slick/horizon.hpp"

namespace sluice::slick {

namespace {

/// reliable: a message that does not fit behind another one of its size into an empty ring could wait for ever, as the
/// array's tail may have to stay empty before it.
std::size_t largest_message(const TopicSpec& spec, const Ring& ring, bool reliable) {
  const std::uint32_t most = reliable ? ring.capacity() / 2 : ring.capacity();
  const std::size_t elements = std::min(most, kMaxReservation);
  return std::min(std::max<std::size_t>(spec.max_size, ring.element_size()), elements * ring.element_size());
}

}  // namespace

RawWriter::RawWriter(const TopicSpec& spec, const RawOptions& options, const TransportContext& context)
    : segment_(open_segment(options.request)),
      ring_(segment_.memory),
      companion_(spec, options, context, segment_),
      back_pressure_(companion_.file(), options.topic.evict_after, spec.qos.max_blocking_time,
                     [this] { return ring_.reserved(); }),
      max_size_(largest_message(spec, ring_, companion_.file().reliable())),
      loans_(max_size_),
      entry_(&companion_.file().writer(claim_writer_entry(companion_.file(), spec.name))) {
  companion_.settle_dead_writer(ring_, *entry_);
  entry_->publisher.store_relaxed(next_publisher_id(companion_.file()));
  entry_->pid.store_relaxed(static_cast<std::uint32_t>(::getpid()));
  write_books();
  entry_->state.store_release(static_cast<std::uint32_t>(EntryState::active));
  SLUICE_KILL_POINT("raw.writer.active");
}

RawWriter::~RawWriter() {
  if (!companion_.file().lock().usable()) return;
  write_books();
  entry_->grant.store_release(kNoGrant);
  entry_->record.store_release(kRecordIdle);
  entry_->state.store_release(static_cast<std::uint32_t>(EntryState::free));
  SLUICE_KILL_POINT("raw.writer.freed");
}

std::uint32_t RawWriter::reader_count() const { return count_live_readers(companion_.file()); }

PublishResult RawWriter::publish(const LoanedBuffer& loan, std::size_t used, std::int64_t published_ns) noexcept {
  const PublishResult result = publish_copy({loan.data, used}, published_ns);
  discard(loan);
  return result;
}

PublishResult RawWriter::publish_copy(std::span<const std::byte> payload, std::int64_t /*published_ns*/) noexcept {
  if (payload.size() > max_size_) return PublishResult::too_large;
  if (payload.empty() || payload.size() % ring_.element_size() != 0) return PublishResult::wrong_size;
  const auto n = static_cast<std::uint32_t>(payload.size() / ring_.element_size());
  Room room = Room::found;
  const auto grant = reserve(n, room);
  if (!grant) {
    ++books_.timeouts;
    write_books();
    return room == Room::own ? PublishResult::own_subscription_full : PublishResult::timeout;
  }
  // From here on our death is provable; before the first store into what we were granted.
  entry_->grant.store_release(make_reserved(grant->position, n));
  SLUICE_KILL_POINT("raw.publish.owned");
  ring_.mark_wrap(*grant, n);
  const std::size_t half = shm::kKillPoints ? payload.size() / 2 : 0;
  std::memcpy(ring_.element(grant->index), payload.data(), half);
  SLUICE_KILL_POINT("raw.publish.half");
  std::memcpy(ring_.element(grant->index) + half, payload.data() + half, payload.size() - half);
  SLUICE_KILL_POINT("raw.publish.copied");
  const PublishResult result = commit(grant->index, n);
  if (const std::uint64_t ahead = ring_.prefetch_distance(); ahead != 0 && companion_.file().reliable()) {
    companion_.prefetch_mark(grant->index + ahead);
  }
  books_.uncertain += result == PublishResult::uncertain ? 1 : 0;
  ++books_.published;
  books_.bytes += payload.size();
  if (books_.published % kBooksPeriod == 0) write_books();
  return result;
}

/// reliable: never beyond the horizon, so never over what a reader has still to read.
std::optional<Ring::Grant> RawWriter::reserve(std::uint32_t n, Room& room) noexcept {
  TopicControl& control = companion_.file().control();
  for (;;) {
    if (!companion_.reliable()) {
      companion_.look_for_news();
      return ring_.grant(n);
    }
    const Ring::Grant wanted = ring_.place(ring_.reserved(), n);
    if (wanted.index + n + Ring::kReservationSlack > horizon_) {
      const std::uint64_t before = horizon_;
      horizon_ = control.horizon.load_acquire();
      // Whoever of us reserves has a horizon beyond it first, and we saw the reservation before we looked.
      if (before != 0 && wanted.position > horizon_) {
        companion_.found_foreign_producer("it reserved element " + std::to_string(wanted.position - 1) +
                                          " without asking");
        continue;
      }
      if (wanted.index + n + Ring::kReservationSlack <= horizon_) continue;
      room = make_room(wanted, n);
      if (room != Room::found) return std::nullopt;
      continue;
    }
    // SYNC intent→grant: whoever sees `reserved` beyond a position of ours sees its owner's INTENT.
    entry_->record.store_release(record_intent(wanted.position));
    SLUICE_KILL_POINT("raw.reserve.intent");
    if (ring_.grant_at(wanted, n)) return wanted;
  }
}

bool RawWriter::advance(std::uint64_t end) noexcept {
  if (!companion_.reliable()) return true;
  const std::uint64_t target = find_horizon(companion_.file(), ring_.reserved(), end);
  if (target < end) return false;
  raise_horizon(companion_.file(), target);
  return true;
}

Room RawWriter::make_room(const Ring::Grant& wanted, std::uint32_t n) noexcept {
  const std::uint64_t end = wanted.index + n + Ring::kReservationSlack;
  if (!advance(end)) {
    entry_->record.store_release(kRecordIdle);
    const Room room = back_pressure_.wait([&] { return advance(end); });
    if (room != Room::found) return room;
  }
  back_pressure_.moved();
  return Room::found;
}

PublishResult RawWriter::commit(std::uint64_t index, std::uint32_t n) noexcept {
  TopicFile& file = companion_.file();
  if (file.reliable()) companion_.mark(index);
  bool published = ring_.publish(index, n);
  if (std::uint64_t record = entry_->record.load_relaxed(); record != kRecordIdle) {
    // FENCED: the readers gave the position up while we were stopped. Some may have the message, others never will.
    published = record_state(record) == RecordState::intent &&
                entry_->record.compare_exchange_seq_cst(record, kRecordIdle) && published;
    entry_->record.store_release(kRecordIdle);
    SLUICE_KILL_POINT("raw.commit.idle");
  } else {
    // SYNC arm→ring: between the publication and the look at the doorbell.
    shm::fence_seq_cst();
  }
  if (file.control().doorbell.waiting_relaxed()) file.control().doorbell.ring();
  return published ? PublishResult::ok : PublishResult::uncertain;
}

}  // namespace sluice::slick
