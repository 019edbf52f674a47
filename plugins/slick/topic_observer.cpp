#include "slick/topic_observer.hpp"

#include <algorithm>
#include <utility>

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/unvalidated_copy.hpp>

#include "slick/entries.hpp"
#include "slick/topic_agreement.hpp"

namespace sluice::slick {

namespace {

constexpr std::chrono::microseconds kShortestPause{100};
constexpr std::uint32_t kMostDoublings = 7;  // to 12.8 ms

}  // namespace

TopicObserver::TopicObserver(const TopicSpec& spec, const TopicOptions& options, const TransportContext& context,
                             Observed what)
    : path_(topic_path(context.directory, spec.name)),
      what_("topic '" + spec.name + "'"),
      options_(options),
      history_(wanted_history(spec)),
      observed_(what) {
  (void)find_topic();
}

bool TopicObserver::find_topic() {
  file_.reset();
  auto found = TopicFile::look_at(path_, what_);
  if (!found) return false;
  file_.emplace(std::move(*found));
  const std::uint64_t reserved = file_->control().reserved.load_acquire();
  next_ = reserved - std::min({reserved, history_, file_->geometry().history});
  books_.joined = next_ - books_.received - books_.lost - books_.skipped;
  return true;
}

/// The file may have been replaced: the last one out removes it, and the next one in makes another.
bool TopicObserver::topic_is_there() noexcept {
  if (file_ && shm::name_means(path_, file_->inode())) return true;
  try {
    return find_topic();
  } catch (const Error&) {
    file_.reset();  // something else is there now; it may go away again
    return false;
  }
}

std::optional<TakenMessage> TopicObserver::take() noexcept {
  std::optional<TakenMessage> taken;
  if (!file_ && !topic_is_there()) return taken;
  for (std::uint64_t looks = 0; looks < file_->geometry().patience(); ++looks) {
    const Cell& cell = file_->cell(next_);
    const std::uint64_t stamp = cell.stamp.load_acquire();
    if (stamp == stamp_message(next_)) {
      const Look look = copy_message(cell, taken.emplace());
      if (look == Look::taken) return taken;
      taken.reset();
      if (look == Look::stays) return taken;
    } else if (stamp == stamp_jump(next_)) {
      ++books_.skipped;
      ++next_;
    } else if (stamp > stamp_jump(next_) && file_->control().reserved.load_acquire() > next_) {
      lose_until(next_ + 1);
    } else {
      if (!tick_.is_new() || !look_for_trouble()) return taken;
    }
  }
  return taken;
}

/// A chunk may be lent again before its window is over, when everybody who has a place is done with it: the copy counts
/// if afterwards the chunk's word still says that it was last published here. SYNC chunk→data: whoever writes into it
/// has changed the word before.
TopicObserver::Look TopicObserver::copy_message(const Cell& cell, TakenMessage& message) noexcept {
  const TopicGeometry& geometry = file_->geometry();
  const std::byte* payload = TopicFile::payload(const_cast<Cell&>(cell));
  Cell header;
  shm::copy_unvalidated(&header, &cell, kCellHeader);
  const bool in_chunk = header.length > geometry.inline_limit;
  ChunkReference reference{};
  shm::copy_unvalidated(&reference, payload, sizeof(reference));
  const std::span<const std::byte> from =
      in_chunk ? file_->chunk(reference.chunk) : std::span(payload, geometry.inline_limit);
  if (header.length > from.size()) {
    lose_until(next_ + 1);
    return Look::passed;
  }
  const bool with_data = observed_ == Observed::messages;
  std::byte* copy = with_data ? copies_.prepare(std::max<std::size_t>(1, header.length)) : nullptr;
  if (with_data && copy == nullptr) return Look::stays;
  if (with_data) shm::copy_unvalidated(copy, from.data(), header.length);
  const bool data_is_ours =
      !with_data || !in_chunk || file_->chunk_state(reference.chunk).word.load_relaxed() == chunk_published(next_);
  if (!file_->horizon_within(next_, geometry.capacity) || !data_is_ours) {
    lose_until(next_ + 1);
    return Look::passed;
  }
  message = {copy,
             header.length,
             {header.sequence, header.published_ns, header.publisher, std::exchange(lost_before_next_, 0)},
             with_data ? copies_.hand_out() : 0};
  ++next_;
  ++books_.received;
  books_.bytes += message.size;
  idle_rounds_ = 0;
  return Look::taken;
}

/// Where nothing is to be had at `position - 1`: goes on there, or well inside what is intact if that is further on.
void TopicObserver::lose_until(std::uint64_t position) noexcept {
  const TopicGeometry& geometry = file_->geometry();
  const std::uint64_t reserved = file_->control().reserved.load_acquire();
  const bool lapped = !file_->horizon_within(next_, geometry.capacity) || reserved > next_ + geometry.capacity;
  const std::uint64_t target =
      lapped && reserved > geometry.capacity / 2 ? std::max(position, reserved - geometry.capacity / 2) : position;
  books_.lost += target - next_;
  lost_before_next_ += target - next_;
  next_ = target;
}

/// Called when nothing is published at next_. True: something changed, look again.
bool TopicObserver::look_for_trouble() noexcept {
  if (!topic_is_there()) return false;
  if (!file_->horizon_within(next_, file_->geometry().capacity)) {
    lose_until(next_ + 1);
    return true;
  }
  if (file_->control().reserved.load_acquire() <= next_) return false;
  const std::int64_t now = shm::monotonic_ns();
  if (std::exchange(stuck_at_, next_) != next_) {
    stuck_since_ns_ = now;
    return false;
  }
  // Readers repair a hole long before; where there are none it stays for ever, and we cannot.
  if (now - stuck_since_ns_ < options_.stall_timeout.count() + options_.hole_timeout.count()) return false;
  ++books_.skipped;
  ++next_;
  return true;
}

std::optional<WaitFor> TopicObserver::arm() noexcept {
  if (file_ && file_->has_something_at(next_)) return std::nullopt;
  const auto pause = kShortestPause * (1U << std::min(idle_rounds_++ / 8, kMostDoublings));
  return WaitFor{nullptr, 0, pause};
}

std::uint32_t TopicObserver::writer_count() const { return file_ ? count_live_writers(*file_) : 0; }

ReaderStats TopicObserver::stats() const noexcept {
  ReaderStats stats = books_;
  stats.reserved = file_ ? std::max(file_->control().reserved.load_acquire(), next_) : next_;
  stats.queued = stats.reserved - next_;
  return stats;
}

}  // namespace sluice::slick
