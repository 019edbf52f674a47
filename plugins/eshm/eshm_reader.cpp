#include "eshm/eshm_reader.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/kill_point.hpp>

namespace sluice::eshm {

namespace {

/// A writer moves to a new segment when it publishes next. One that does not publish holds nobody up for longer.
constexpr std::chrono::nanoseconds kWritersMove = std::chrono::seconds{1};
constexpr std::chrono::nanoseconds kLookForMove = std::chrono::milliseconds{5};

}  // namespace

EshmReader::EshmReader(const EshmOptions& options, const TransportContext& context)
    : member_{options.topic, other(options.writer), false, context.report},
      link_(Link::join(options)),
      attached_(link_->attached()),
      place_(shm::FileLock::reopen(attached_.segment->lock.fd(), link_->what())) {
  take_reader_place(place_, options.writer);
  using From = MailboxReader::From;
  reader_.start(attached_.segment->mailbox(options.writer), options.current_first ? From::current : From::next);
  link_->enter(member_);
}

EshmReader::~EshmReader() {
  if (place_.usable()) reader_.disarm();  // in a forked child the sleeper is the parent's
  place_ = {};
  link_->leave(member_);
}

std::optional<TakenMessage> EshmReader::take() noexcept {
  reader_.disarm();
  for (;;) {
    MailboxReader::Message message;
    const auto found = reader_.take([this](std::size_t size) { return copies_.prepare(size); }, message);
    switch (found) {
      case MailboxReader::Found::message: {
        const std::byte* const copy = copies_.prepare(message.size);
        bytes_ += message.size;
        return TakenMessage{copy, message.size, {message.number, 0, 0, message.conflated}, copies_.hand_out()};
      }
      case MailboxReader::Found::interrupted: report_interruption(); break;
      case MailboxReader::Found::nothing:
      case MailboxReader::Found::no_room: break;
    }
    if (link_->version() == attached_.version || !follow_link()) return std::nullopt;
  }
}

/// Moves to the segment that the name means now. What the writer still writes to the old one is ours, so as long as it
/// is there, we stay.
bool EshmReader::follow_link() noexcept {
  const std::int64_t now = shm::monotonic_ns();
  if (following_since_ns_ == 0) {
    following_since_ns_ = now;
    left_behind_ = RemoteWatch(attached_.segment->header(), writer(), {});
  }
  const bool patient = now - following_since_ns_ < kWritersMove.count();
  if (patient && writer_stays(now)) return false;
  if (reader_.ready()) return true;  // written between the last look and the writer's leaving
  try {
    auto next = link_->attached();
    auto place = shm::FileLock::reopen(next.segment->lock.fd(), link_->what());
    take_reader_place(place, writer());
    reader_.start(next.segment->mailbox(writer()), MailboxReader::From::first);
    place_ = std::move(place);
    attached_ = std::move(next);
    following_since_ns_ = 0;
    SLUICE_KILL_POINT("eshm.reader.moved");
    return true;
  } catch (const std::exception&) {
    return false;  // no descriptor left: later
  }
}

/// One of ours has the right in the old segment until it publishes next. One without Sluice beats there until it has
/// noticed: a slave of the original, when its master has been stale for the threshold.
bool EshmReader::writer_stays(std::int64_t now_ns) noexcept {
  if (attached_.segment->lock.held_by_other(writing_lock(writer()))) return true;
  const RemoteState state = left_behind_.look(now_ns, attached_.segment->lock);
  const bool there = side_words(attached_.segment->header(), writer()).alive.load_acquire() != 0;
  return there && (state == RemoteState::unknown || state == RemoteState::alive);
}

void EshmReader::report_interruption() noexcept {
  const std::uint64_t interruptions = reader_.books().interrupted;
  if (std::exchange(interruptions_told_, interruptions) == interruptions || !member_.report) return;
  member_.report({TransportEvent::Kind::writer_interrupted, member_.topic,
                  "topic '" + member_.topic + "': " + link_->what() +
                      ": a write has been in progress for longer than " + "100 ms: the " + name_of(writer()) +
                      " died in the middle of it, or is stopped; the next complete message will be delivered"});
}

std::optional<WaitFor> EshmReader::arm() noexcept {
  const MailboxReader::Sleep sleep = reader_.arm();
  if (reader_.ready()) return std::nullopt;
  const bool moving = link_->version() != attached_.version;
  return WaitFor{sleep.word, sleep.expected, moving ? std::min(sleep.at_most, kLookForMove) : sleep.at_most};
}

std::uint32_t EshmReader::writer_count() const {
  const auto segment = link_->attached().segment;
  return segment->lock.held_by_other(writing_lock(writer())) || link_->foreigner_on(writer()) ? 1 : 0;
}

ReaderStats EshmReader::stats() const noexcept {
  const MailboxReader::Books& books = reader_.books();
  ReaderStats stats;
  stats.joined = books.joined;
  stats.reserved = reader_.completed();
  stats.received = books.received;
  stats.lost = books.conflated;
  stats.queued = stats.reserved - stats.joined - stats.received - stats.lost;
  stats.bytes = bytes_;
  return stats;
}

}  // namespace sluice::eshm
