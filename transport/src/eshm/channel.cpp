#include <sluice/eshm/channel.hpp>

#include <unistd.h>

#include <algorithm>
#include <utility>

#include <sluice/shm/deadline.hpp>

#include "eshm/channel_impl.hpp"

namespace sluice::eshm {

Channel::Impl::Impl(const std::string& name, const ChannelOptions& options, ChannelCallbacks callbacks)
    : Impl(name, options, std::move(callbacks), arrive(name, options)) {}

Channel::Impl::Impl(const std::string& name, ChannelOptions options, ChannelCallbacks callbacks, Arrival arrival)
    : side(arrival.side),
      created(arrival.segment.created),
      took_over(arrival.took_over),
      name_(name),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      fork_generation_(shm::fork_generation()),
      attached_(std::make_shared<Arrival>(std::move(arrival))) {
  const Segment& segment = attached_->segment;
  generation_ = segment.header().master_generation.load_relaxed();
  watch_ = watch_of(segment);
  reading_ = writing_ = {attached_, version_};
  const auto from = attached_->waited                           ? MailboxReader::From::first
                    : options_.first_read == FirstRead::current ? MailboxReader::From::current
                                                                : MailboxReader::From::next;
  reader_.start(segment.mailbox(other(side)), from);
  writer_ = MailboxWriter(segment.mailbox(side));
  if (!options_.heartbeat) return;
  pulse_ = process_pulse();
  if (!pulse_) throw Error("channel '" + segment.path + "': cannot start the heartbeat thread; too many threads?");
  pulse_->add(*this);
}

Channel::Impl::~Impl() {
  if (fork_generation_ != shm::fork_generation()) return;  // it is the parent's
  if (pulse_) pulse_->remove(*this);
  Segment& segment = attached_->segment;
  attached_->presence.leave(false);
  if (segment.created && options_.auto_cleanup && segment.named()) ::unlink(segment.path.c_str());
  SLUICE_KILL_POINT("channel.left");
}

WriteStatus Channel::Impl::write(std::span<const std::byte> message) noexcept {
  if (version_.load(std::memory_order_acquire) != writing_.version) renew_writing();
  if (message.size() > writer_.max_size()) return WriteStatus::too_large;
  if (connection.load(std::memory_order_acquire) != Connection::open) return WriteStatus::disconnected;
  writer_.write(message);
  written_.store(written_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  return WriteStatus::ok;
}

ReadResult Channel::Impl::read(std::span<std::byte> buffer, std::chrono::nanoseconds timeout) noexcept {
  std::byte nowhere{};
  std::byte* const target = buffer.data() == nullptr ? &nowhere : buffer.data();
  shm::Deadline deadline = shm::Deadline::never();
  for (bool first = true;; first = false) {
    if (!first_read_done_) {
      first_read_done_ = true;
      if (options_.first_read == FirstRead::after_reading) {
        reader_.start(reading_.arrival->segment.mailbox(other(side)), MailboxReader::From::next);
      }
    }
    MailboxReader::Message message;
    std::size_t needed = 0;
    const auto found = reader_.take(
        [&](std::size_t size) {
          needed = size;
          return size <= buffer.size() ? target : nullptr;
        },
        message);
    if (found == MailboxReader::Found::message) {
      publish_books();
      return {ReadStatus::ok, message.size, message.conflated};
    }
    if (found == MailboxReader::Found::no_room) return {ReadStatus::too_small, needed, 0};
    if (found == MailboxReader::Found::interrupted) publish_books();
    if (version_.load(std::memory_order_acquire) != reading_.version) {
      renew_reading();
      continue;
    }
    // These are looked at after the mailbox, so it is looked at once more: what came before the end is taken.
    if (options_.on_disconnect == OnDisconnect::immediately && !remote_alive() && !reader_.ready()) {
      return {ReadStatus::stale, 0, 0};
    }
    if (connection.load(std::memory_order_acquire) == Connection::gave_up && !reader_.ready()) {
      return {ReadStatus::gave_up, 0, 0};
    }
    if (timeout.count() <= 0) return {};
    if (first) {
      deadline = timeout == kForever ? shm::Deadline::never() : shm::Deadline::after(timeout);
    } else if (deadline.passed()) {
      return {};
    }
    const auto left = deadline.is_never() ? kForever : std::chrono::nanoseconds(deadline.ns() - shm::monotonic_ns());
    wait_for_message(left);
  }
}

/// At most kLongestPark at a time, so that a new segment or the end of all patience is seen.
void Channel::Impl::wait_for_message(std::chrono::nanoseconds at_most) noexcept {
  if (waiting.load(std::memory_order_relaxed) == Waiting::poll) {
    if (reader_.ready()) return;
    shm::futex_wait(changed_.word(), changed_.arm(), shm::Deadline::after(std::min(at_most, reader_.poll_period())));
  } else {
    reader_.park(shm::Deadline::after(at_most));
  }
}

void Channel::Impl::renew_reading() noexcept {
  const Use old = reading_;  // mapped until the reader has moved
  std::uint64_t passed_over = 0;
  {
    const std::lock_guard lock(mutex_);
    reading_ = {attached_, version_.load(std::memory_order_relaxed)};
    read_version_ = reading_.version;
    passed_over = std::exchange(passed_over_, 0);
  }
  // The new segment was made after we began to read, so all that was written there is for us.
  reader_.start(reading_.arrival->segment.mailbox(other(side)), MailboxReader::From::first);
  reader_.pass_over(passed_over);
  publish_books();
}

void Channel::Impl::renew_writing() noexcept {
  const Use old = writing_;  // unmapped when the mutex is free again
  {
    const std::lock_guard lock(mutex_);  // the two belong together
    writing_ = {attached_, version_.load(std::memory_order_relaxed)};
  }
  writer_ = MailboxWriter(writing_.arrival->segment.mailbox(side));
}

void Channel::Impl::publish_books() noexcept {
  const MailboxReader::Books& books = reader_.books();
  received_.store(books.received, std::memory_order_relaxed);
  conflated_.store(books.conflated, std::memory_order_relaxed);
  interrupted_.store(books.interrupted, std::memory_order_relaxed);
  approximate_.store(books.approximate, std::memory_order_relaxed);
}

std::shared_ptr<Arrival> Channel::Impl::attached() const {
  const std::lock_guard lock(mutex_);
  return attached_;
}

std::string Channel::Impl::last_problem() const {
  const std::lock_guard lock(mutex_);
  return last_problem_;
}

bool Channel::Impl::remote_alive() const noexcept {
  if (!pulse_) return true;
  switch (remote.load(std::memory_order_acquire)) {
    case RemoteState::alive: return true;
    case RemoteState::stale:
    case RemoteState::dead: return false;
    case RemoteState::unknown: break;
  }
  const std::lock_guard lock(mutex_);
  return watch_.silence() < watch_.threshold();
}

void Channel::Impl::beat_once() noexcept {
  side_words(attached()->segment.header(), side).heartbeat.fetch_add_relaxed(1);
}

ChannelStats Channel::Impl::stats() {
  const auto arrival = attached();
  const Header& header = arrival->segment.header();
  ChannelStats stats;
  stats.master_heartbeat = header.master_heartbeat.load_relaxed();
  stats.slave_heartbeat = header.slave_heartbeat.load_relaxed();
  stats.master_pid = header.master_pid.load_relaxed();
  stats.slave_pid = header.slave_pid.load_relaxed();
  stats.master_alive = header.master_alive.load_relaxed() != 0;
  stats.slave_alive = header.slave_alive.load_relaxed() != 0;
  stats.stale_threshold_ms = header.stale_threshold.load_relaxed();
  stats.generation = header.master_generation.load_relaxed();
  const auto direction = [&](Side writer) {
    const MailboxTail& tail = *arrival->segment.mailbox(writer).tail;
    return DirectionStats{tail.write_count.load_relaxed(), tail.read_count.load_relaxed()};
  };
  stats.master_to_slave = direction(Side::master);
  stats.slave_to_master = direction(Side::slave);
  stats.written = written_.load(std::memory_order_relaxed);
  stats.received = received_.load(std::memory_order_relaxed);
  stats.conflated = conflated_.load(std::memory_order_relaxed);
  stats.interrupted = interrupted_.load(std::memory_order_relaxed);
  stats.approximate = approximate_.load(std::memory_order_relaxed);
  stats.orphaned = !arrival->segment.named();
  const std::lock_guard lock(mutex_);
  stats.master_heartbeat_delta = stats.master_heartbeat - std::exchange(last_heartbeats_[0], stats.master_heartbeat);
  stats.slave_heartbeat_delta = stats.slave_heartbeat - std::exchange(last_heartbeats_[1], stats.slave_heartbeat);
  stats.reconnects = reconnects_;
  return stats;
}

Channel::Channel(const std::string& name, const ChannelOptions& options, ChannelCallbacks callbacks)
    : impl_(std::make_unique<Impl>(name, options, std::move(callbacks))) {}
Channel::~Channel() = default;
Channel::Channel(Channel&&) noexcept = default;
Channel& Channel::operator=(Channel&&) noexcept = default;

WriteStatus Channel::write(std::span<const std::byte> message) noexcept { return impl_->write(message); }
ReadResult Channel::read(std::span<std::byte> buffer, std::chrono::nanoseconds timeout) noexcept {
  return impl_->read(buffer, timeout);
}
ReadResult Channel::try_read(std::span<std::byte> buffer) noexcept {
  return impl_->read(buffer, std::chrono::nanoseconds{0});
}
Side Channel::side() const noexcept { return impl_->side; }
bool Channel::created() const noexcept { return impl_->created; }
bool Channel::took_over() const noexcept { return impl_->took_over; }
std::size_t Channel::max_size() const noexcept { return impl_->attached()->segment.max_size; }
Protocol Channel::protocol() const noexcept { return impl_->attached()->segment.protocol; }
std::string Channel::path() const { return impl_->attached()->segment.path; }
RemoteState Channel::remote_state() const noexcept { return impl_->remote; }
Connection Channel::connection() const noexcept { return impl_->connection; }
std::uint32_t Channel::generation() const noexcept {
  return impl_->attached()->segment.header().master_generation.load_relaxed();
}
std::string Channel::last_problem() const { return impl_->last_problem(); }
ChannelStats Channel::stats() const { return impl_->stats(); }
bool Channel::remote_alive() const noexcept { return impl_->remote_alive(); }
void Channel::beat() noexcept { impl_->beat_once(); }
void Channel::set_waiting(Waiting waiting) noexcept { impl_->waiting = waiting; }
Waiting Channel::waiting() const noexcept { return impl_->waiting; }

}  // namespace sluice::eshm
