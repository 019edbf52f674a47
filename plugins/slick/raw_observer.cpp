#include "slick/raw_observer.hpp"

#include <unistd.h>

#include <utility>

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/poll_pace.hpp>
#include <sluice/shm/unvalidated_copy.hpp>

#include "slick/entries.hpp"
#include "slick/raw_companion.hpp"

namespace sluice::slick {

RawObserver::RawObserver(const RawOptions& options, const TransportContext& context, Observed what)
    : request_(options.request),
      path_(segment_path(options.request.name)),
      directory_(context.directory),
      hole_timeout_(options.hole_timeout),
      observed_(what) {
  request_.read_only = true;
  if (attach()) cursor_.next = books_.joined = ring_.reserved();
  request_.patience = {};  // from here on nobody may be kept waiting: what is half made now is whole at a later look
}

/// What was written into a segment that came while we looked is news, from its first element on.
bool RawObserver::attach() {
  if (::access(path_.c_str(), F_OK) != 0) return false;
  Segment found = attach_segment(request_);
  cursor_.before_reset += cursor_.next;
  cursor_.next = 0;
  hole_ = kNoIndex;
  ring_ = Ring(found.memory);
  segment_ = std::move(found);
  return true;
}

bool RawObserver::segment_is_there() noexcept {
  if (segment_ && shm::name_means(path_, segment_->inode)) return true;
  try {
    // Without its name the old one may still be written to, until there is a new one.
    return attach() || segment_.has_value();
  } catch (const std::exception&) {
    return segment_.has_value();  // something else has the name now; it may go away again
  }
}

std::optional<TakenMessage> RawObserver::take() noexcept {
  const bool close = tick_.is_new();
  if ((close || !segment_) && !segment_is_there()) return std::nullopt;
  const bool with_data = observed_ == Observed::messages;
  for (;;) {
    Ring::Message message;
    std::byte* copy = nullptr;
    bool no_memory = false;
    const auto effort = close ? Ring::Effort::close : Ring::Effort::slot_only;
    const auto found = ring_.read(cursor_, message, effort, [&](const std::byte* from, std::size_t bytes) {
      if (!with_data) return;
      copy = copies_.prepare(bytes);
      no_memory = copy == nullptr;
      if (!no_memory) shm::copy_unvalidated(copy, from, bytes);
    });
    if (found == Ring::Found::message && !no_memory) return deliver(message, copy);
    if (found == Ring::Found::message) {
      cursor_.lost += message.size;
    } else if (found == Ring::Found::pending && step_over_hole()) {
      continue;
    }
    return std::nullopt;
  }
}

TakenMessage RawObserver::deliver(const Ring::Message& message, const std::byte* copy) noexcept {
  const std::size_t bytes = std::size_t{message.size} * ring_.element_size();
  books_.received += message.size;
  books_.bytes += bytes;
  traffic_ns_ = shm::monotonic_coarse_ns();
  const std::uint64_t lost = cursor_.lost - std::exchange(lost_reported_, cursor_.lost);
  return {copy, bytes, {message.index, 0, 0, lost}, copy == nullptr ? 0 : copies_.hand_out()};
}

/// Sluice's readers repair a hole long before; where there are none it stays for ever, and we may not.
bool RawObserver::step_over_hole() noexcept {
  const std::int64_t now = shm::monotonic_ns();
  if (std::exchange(hole_, cursor_.next) != cursor_.next) {
    hole_since_ns_ = now;
    return false;
  }
  if (hole_timeout_.count() == 0 || now - hole_since_ns_ < hole_timeout_.count()) return false;
  return ring_.skip_hole(cursor_);
}

std::optional<WaitFor> RawObserver::arm() noexcept {
  if (segment_ && ring_.ready(cursor_)) return std::nullopt;
  return WaitFor{nullptr, 0, shm::poll_period(shm::monotonic_coarse_ns(), traffic_ns_)};
}

std::uint32_t RawObserver::writer_count() const {
  if (!segment_) return 0;
  const std::string companion = directory_ + "/" + companion_name(segment_->device, segment_->inode);
  const auto file = TopicFile::look_at(companion, "segment '" + path_ + "'");
  return file ? count_live_writers(*file) : 0;
}

ReaderStats RawObserver::stats() const noexcept {
  ReaderStats stats = books_;
  const std::uint64_t end = segment_ ? std::max(ring_.reserved(), cursor_.next) : cursor_.next;
  stats.reserved = cursor_.before_reset + end;
  stats.lost = cursor_.lost;
  stats.skipped = cursor_.skipped;
  stats.queued = stats.reserved - stats.joined - stats.received - stats.lost - stats.skipped;
  return stats;
}

}  // namespace sluice::slick
