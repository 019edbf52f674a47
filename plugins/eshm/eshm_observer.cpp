#include "eshm/eshm_observer.hpp"

#include <exception>
#include <utility>

#include <sluice/eshm/presence.hpp>
#include <sluice/shm/deadline.hpp>
#include <sluice/shm/poll_pace.hpp>

namespace sluice::eshm {

EshmObserver::EshmObserver(const EshmOptions& options, Observed what)
    : request_(options.request), writer_(options.writer), observed_(what) {
  using From = MailboxReader::From;
  request_.read_only = true;
  (void)attach(options.current_first ? From::current : From::next);
  request_.patience = {};  // from here on nobody may be kept waiting: what is half made now is whole at a later look
}

bool EshmObserver::attach(MailboxReader::From from) {
  auto found = attach_segment(request_);
  if (!found) return false;
  reader_.start(found->mailbox(writer_), from);  // looks at the old one once more
  segment_ = std::move(found);
  return true;
}

void EshmObserver::look_for_another() noexcept {
  const std::int64_t now = shm::monotonic_coarse_ns();
  if (now < next_look_ns_) return;
  next_look_ns_ = now + shm::kRestPoll.count();
  if (segment_ && segment_->named()) return;
  try {
    (void)attach(MailboxReader::From::first);
  } catch (const std::exception&) {
    // Something else has the name now; it may go away again.
  }
}

std::optional<TakenMessage> EshmObserver::take() noexcept {
  for (bool looked = false;; looked = true) {
    MailboxReader::Message message;
    const bool with_data = observed_ == Observed::messages;
    const auto found = !segment_   ? MailboxReader::Found::nothing
                       : with_data ? reader_.take([this](std::size_t size) { return copies_.prepare(size); }, message)
                                   : reader_.take_header(message);
    if (found == MailboxReader::Found::message) {
      bytes_ += message.size;
      const std::byte* const copy = with_data ? copies_.prepare(message.size) : nullptr;
      return TakenMessage{
          copy, message.size, {message.number, 0, 0, message.conflated}, with_data ? copies_.hand_out() : 0};
    }
    if (looked) return std::nullopt;
    look_for_another();
  }
}

std::optional<WaitFor> EshmObserver::arm() noexcept {
  if (!segment_) return WaitFor{nullptr, 0, shm::kRestPoll};
  if (reader_.ready()) return std::nullopt;
  return WaitFor{nullptr, 0, reader_.arm().at_most};
}

std::uint32_t EshmObserver::writer_count() const {
  return segment_ && side_words(segment_->header(), writer_).alive.load_acquire() != 0 ? 1 : 0;
}

ReaderStats EshmObserver::stats() const noexcept {
  ReaderStats stats;
  if (!segment_) return stats;
  const MailboxReader::Books& books = reader_.books();
  stats.joined = books.joined;
  stats.reserved = reader_.completed();
  stats.received = books.received;
  stats.lost = books.conflated;
  stats.queued = stats.reserved - stats.joined - stats.received - stats.lost;
  stats.bytes = bytes_;
  return stats;
}

}  // namespace sluice::eshm
