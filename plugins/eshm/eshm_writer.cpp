#include "eshm/eshm_writer.hpp"

#include <exception>
#include <utility>

#include <sluice/shm/kill_point.hpp>

namespace sluice::eshm {

namespace {

/// Another program that writes without asking would make two writers of one mailbox. `lock` is not the Link's, which
/// may hold the presence itself.
void refuse_foreign_writer(const Segment& segment, const EshmOptions& options, const shm::FileLock& lock) {
  if (who_occupies(segment.header(), options.writer, lock) != Occupied::by_others) return;
  const std::uint32_t pid = side_words(segment.header(), options.writer).pid.load_relaxed();
  throw Error("topic '" + options.topic + "': channel '" + segment.path + "' has a living " + name_of(options.writer) +
              " that is no program of Sluice (pid " + std::to_string(pid) +
              ") and writes this direction; there can be one writer: end it, or subscribe instead");
}

}  // namespace

EshmWriter::EshmWriter(const EshmOptions& options, const TransportContext& context)
    : member_{options.topic, options.writer, true, context.report},
      link_(Link::join(options)),
      attached_(link_->attached()),
      right_(shm::FileLock::reopen(attached_.segment->lock.fd(), link_->what())),
      writer_(attached_.segment->mailbox(options.writer)),
      loans_(options.request.max_size) {
  if (!right_.try_lock_exclusive(writing_lock(options.writer))) {
    throw Error("topic '" + options.topic + "': " + link_->what() + " already has a publisher on the " +
                name_of(options.writer) + "'s side; a mailbox has one writer: end it, or publish on another channel");
  }
  refuse_foreign_writer(*attached_.segment, options, right_);
  link_->enter(member_);
}

EshmWriter::~EshmWriter() {
  right_ = {};
  link_->leave(member_);
}

PublishResult EshmWriter::publish(const LoanedBuffer& loan, std::size_t used, std::int64_t published_ns) noexcept {
  const PublishResult result = publish_copy({loan.data, used}, published_ns);
  loans_.give_back(loan);
  return result;
}

PublishResult EshmWriter::publish_copy(std::span<const std::byte> payload, std::int64_t /*published_ns*/) noexcept {
  if (payload.size() > writer_.max_size()) return PublishResult::too_large;
  if (link_->version() != attached_.version && !move_to_new_segment()) {
    ++books_.timeouts;
    return PublishResult::timeout;
  }
  writer_.write(payload);
  ++books_.published;
  books_.bytes += payload.size();
  return PublishResult::ok;
}

/// False: another writer has the right there.
bool EshmWriter::move_to_new_segment() noexcept {
  try {
    auto next = link_->attached();
    auto right = shm::FileLock::reopen(next.segment->lock.fd(), link_->what());
    if (!right.try_lock_exclusive(writing_lock(member_.side))) return false;
    writer_ = MailboxWriter(next.segment->mailbox(member_.side));
    right_ = std::move(right);
    attached_ = std::move(next);
    SLUICE_KILL_POINT("eshm.writer.moved");
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

std::uint32_t EshmWriter::reader_count() const {
  const auto segment = link_->attached().segment;
  return segment->lock.count_held_by_others(reader_locks(member_.side)) +
         (link_->foreigner_on(other(member_.side)) ? 1 : 0);
}

}  // namespace sluice::eshm
