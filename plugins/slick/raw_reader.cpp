#include "slick/raw_reader.hpp"

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/unvalidated_copy.hpp>

#include <algorithm>
#include <utility>

#include "slick/entries.hpp"
#include "slick/horizon.hpp"

namespace sluice::slick {

namespace {

/// Between two looks at the owner of a position that is reserved and not published.
constexpr std::chrono::nanoseconds kOwnerLook = std::chrono::milliseconds{10};

}  // namespace

RawReader::RawReader(const TopicSpec& spec, const RawOptions& options, const TransportContext& context)
    : segment_(open_segment(options.request)),
      ring_(segment_.memory),
      companion_(spec, options, context, segment_),
      place_(companion_.file(), spec.name),
      options_(options),
      cursor_period_(std::max<std::uint64_t>(1, ring_.capacity() / 4)),
      watch_([this] { return ring_.ready({armed_at_.load(std::memory_order_relaxed)}); },
             companion_.file().control().doorbell) {
  if (companion_.file().reliable()) place_.own().on_full([this] { place_.publish_cursor(cursor_.next); });
  join();
  books_.joined = cursor_.next;
  place_.write_books(books_, cursor_.next);
}

RawReader::~RawReader() {
  place_.own().on_full(nullptr);
  if (!companion_.file().lock().usable()) return;
  place_.write_books(stats(), cursor_.next);
  place_.leave();
}

void RawReader::join() noexcept {
  cursor_.next = place_.join([this] { return ring_.reserved(); });
}

std::uint32_t RawReader::writer_count() const { return count_live_writers(companion_.file()); }

/// A close look takes the producers' line away from them: once in a tick of the coarse clock.
Ring::Effort RawReader::effort() noexcept { return tick_.is_new() ? Ring::Effort::close : Ring::Effort::slot_only; }

std::optional<TakenMessage> RawReader::take() noexcept {
  place_.own().taken_from_here();
  if (companion_.file().reliable() && place_.evicted()) rejoin_after_eviction();
  Ring::Effort effort = Ring::Effort::slot_only;
  for (;;) {
    Ring::Message message;
    std::byte* copy = nullptr;
    bool no_memory = false;
    const auto found = ring_.read(cursor_, message, effort, [&](const std::byte* from, std::size_t bytes) {
      copy = copies_.prepare(bytes);
      no_memory = copy == nullptr;
      if (!no_memory) shm::copy_unvalidated(copy, from, bytes);
    });
    switch (found) {
      case Ring::Found::message:
        if (no_memory) {
          cursor_.lost += message.size;  // rather than hand out nothing for ever
          return std::nullopt;
        }
        return deliver(message, copy);
      case Ring::Found::nothing:
        if (effort == Ring::Effort::slot_only && this->effort() == Ring::Effort::close) {
          effort = Ring::Effort::close;
          continue;
        }
        if (effort == Ring::Effort::close) hole_ = kNoIndex;
        return std::nullopt;
      case Ring::Found::pending:
        if (!deal_with_hole()) return std::nullopt;
        effort = Ring::Effort::close;
        break;
    }
  }
}

TakenMessage RawReader::deliver(const Ring::Message& message, const std::byte* copy) noexcept {
  if (companion_.file().reliable()) {
    watch_over_reliability(message);  // before publishers may mark the next lap's message
    const bool due = cursor_.next - place_.published_cursor() >= cursor_period_;
    if (due || companion_.file().control().space.waiting_relaxed()) place_.publish_cursor(cursor_.next);
  }
  const std::size_t bytes = std::size_t{message.size} * ring_.element_size();
  books_.received += message.size;
  books_.bytes += bytes;
  const std::uint64_t lost = cursor_.lost - std::exchange(lost_reported_, cursor_.lost);
  return {copy, bytes, {message.index, 0, 0, lost}, copies_.hand_out()};
}

/// On a reliable topic every message was marked by a Sluice producer, and nobody but an evicted reader is ever lapped.
void RawReader::watch_over_reliability(const Ring::Message& message) noexcept {
  if (!companion_.reliable()) return companion_.look_for_news();
  if (!companion_.is_ours(message.index)) {
    companion_.found_foreign_producer("element " + std::to_string(message.index) + " is not of ours");
  } else if (cursor_.lost > std::max(lost_reported_, lost_by_eviction_) && !place_.evicted()) {
    companion_.found_foreign_producer("it overwrote " + std::to_string(cursor_.lost - lost_reported_) +
                                      " unread elements");
  }
}

/// Called when the element at the cursor is reserved and not published. True: something changed, look again.
bool RawReader::deal_with_hole() noexcept {
  const std::int64_t now = shm::monotonic_ns();
  if (hole_ != cursor_.next) {
    hole_ = cursor_.next;
    hole_since_ns_ = now;
    hole_look_ns_ = now + kOwnerLook.count();
    if (options_.hole_timeout.count() != 0) {
      hole_look_ns_ = std::min(hole_look_ns_, now + options_.hole_timeout.count());
    }
    return false;
  }
  if (now < hole_look_ns_) return false;
  hole_look_ns_ = now + kOwnerLook.count();
  const Companion::Owner owner = companion_.settle(ring_, hole_);
  const std::uint64_t before = cursor_.next;
  Ring::Message message;
  // Repaired, or published in the meantime: both are seen by looking again.
  if (ring_.find(cursor_, message) != Ring::Found::pending || cursor_.next != before) return true;

  const bool patient = companion_.reliable() && owner == Companion::Owner::living;
  const auto limit = patient ? options_.topic.stall_timeout : options_.hole_timeout;
  if (limit.count() == 0 || now - hole_since_ns_ < limit.count()) return false;
  if (companion_.reliable() && owner == Companion::Owner::unknown) {
    companion_.found_foreign_producer("element " + std::to_string(hole_) + " was reserved by none of ours");
  }
  // A living owner is made to notice first, so that it knows that its message may not arrive.
  fence_writers(companion_.file(), [this](std::uint64_t record) { return record_covers(record, hole_); });
  return ring_.skip_hole(cursor_);
}

void RawReader::rejoin_after_eviction() noexcept {
  const std::uint64_t expected = cursor_.next;
  join();
  ++books_.evictions;
  cursor_.lost += cursor_.next - expected;
  lost_by_eviction_ = cursor_.lost;
}

std::optional<WaitFor> RawReader::arm() noexcept {
  TopicFile& file = companion_.file();
  place_.write_books(stats(), cursor_.next);
  if (file.reliable()) {
    if (place_.evicted()) return std::nullopt;
    place_.publish_cursor(cursor_.next);
    companion_.look_for_news();
  }
  armed_at_.store(cursor_.next, std::memory_order_relaxed);
  const std::uint32_t value = file.control().doorbell.arm();
  SLUICE_KILL_POINT("raw.doorbell.armed");
  Ring::Cursor probe = cursor_;
  Ring::Message message;
  const Ring::Found found = ring_.find(probe, message);
  if (found == Ring::Found::message) return std::nullopt;
  const bool traffic = books_.received != std::exchange(armed_at_received_, books_.received);
  WaitFor wait{&file.control().doorbell.word(), value, watch_.arm(traffic)};
  if (file.reliable()) wait.at_most = std::min<std::chrono::nanoseconds>(wait.at_most, options_.topic.evict_after / 4);
  if (found == Ring::Found::pending) {
    const std::chrono::nanoseconds left{hole_ == cursor_.next ? hole_look_ns_ - shm::monotonic_ns() : 0};
    wait.at_most = std::clamp(left, std::chrono::nanoseconds{1000}, wait.at_most);
  }
  return wait;
}

ReaderStats RawReader::stats() const noexcept {
  ReaderStats stats = books_;
  // Counted on over resets. What was reserved before a reset and not read is gone from the format, and from the books;
  // until the reader has noticed the reset, `reserved` is behind its cursor.
  stats.reserved = cursor_.before_reset + std::max(ring_.reserved(), cursor_.next);
  stats.lost = cursor_.lost;
  stats.skipped = cursor_.skipped;
  stats.queued = stats.reserved - stats.joined - stats.received - stats.lost - stats.skipped;
  return stats;
}

}  // namespace sluice::slick
