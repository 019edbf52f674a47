#include <algorithm>
#include <utility>

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/kill_point.hpp>

#include "eshm/channel_impl.hpp"

/// What the heartbeat thread does for a channel.
namespace sluice::eshm {

std::chrono::nanoseconds Channel::Impl::beat(std::int64_t now_ns) noexcept {
  Calls calls;
  std::chrono::nanoseconds period{};
  {
    const std::lock_guard lock(mutex_);
    if (!ended_ && connection != Connection::gave_up) {
      attached_->presence.beat(now_ns);
      watch_remote(now_ns, calls);
      if (connection == Connection::reconnecting) reconnect(now_ns, calls);
    }
    period = beat_period(attached_->segment.header().stale_threshold.load_relaxed());
  }
  for (const auto& call : calls) {
    if (call) call();
  }
  return period;
}

void Channel::Impl::watch_remote(std::int64_t now_ns, Calls& calls) {
  const RemoteState before = remote.load(std::memory_order_relaxed);
  const RemoteState state = watch_.look(now_ns, attached_->segment.lock);
  watch_generation(calls);
  if (state == before) {
    // It may have left between our finding its segment and our first look.
    if (state == RemoteState::unknown && watch_.silence() >= watch_.threshold()) miss_master(now_ns);
    return;
  }
  remote.store(state, std::memory_order_release);
  if (state == RemoteState::alive) {
    if (!std::exchange(was_alive_, true)) {
      calls.push_back(callbacks_.on_connect);
      connection.store(Connection::open, std::memory_order_release);
    } else {
      back_again(calls);
    }
    return;
  }
  const bool was_gone = before == RemoteState::stale || before == RemoteState::dead;
  if (!was_gone) calls.push_back(callbacks_.on_stale);
  miss_master(now_ns);
}

void Channel::Impl::miss_master(std::int64_t now_ns) {
  if (side == Side::master || connection != Connection::open) return;
  if (options_.on_disconnect == OnDisconnect::immediately) {
    ended_ = true;
    return;
  }
  connection.store(Connection::reconnecting, std::memory_order_release);
  attempts_ = 0;
  reconnecting_since_ns_ = next_attempt_ns_ = now_ns;
}

void Channel::Impl::watch_generation(Calls& calls) {
  const std::uint32_t generation = attached_->segment.header().master_generation.load_acquire();
  if (side == Side::master || generation == generation_) return;
  generation_ = generation;
  if (callbacks_.on_takeover) calls.push_back([this, generation] { callbacks_.on_takeover(generation); });
}

void Channel::Impl::back_again(Calls& calls) {
  ++reconnects_;
  calls.push_back(callbacks_.on_reconnect);
  connection.store(Connection::open, std::memory_order_release);
  changed_.ring();
}

/// A master that came back to the segment that we are in is seen by its heartbeat; here we look for a new one.
void Channel::Impl::reconnect(std::int64_t now_ns, Calls& calls) {
  if (now_ns >= next_attempt_ns_) {
    next_attempt_ns_ = now_ns + std::chrono::nanoseconds(options_.reconnect_interval).count();
    ++attempts_;
    if (try_new_segment()) {
      remote.store(RemoteState::alive, std::memory_order_release);
      was_alive_ = true;
      back_again(calls);
      return;
    }
  }
  if (patience_ended(now_ns)) {
    connection.store(Connection::gave_up, std::memory_order_release);
    changed_.ring();
  }
}

RemoteWatch Channel::Impl::watch_of(const Segment& segment) const noexcept {
  constexpr std::chrono::milliseconds kAsTheSegmentSays{0};
  return {segment.header(), other(side),
          options_.follow_segment ? kAsTheSegmentSays : options_.stale_threshold.value_or(kAsTheSegmentSays)};
}

bool Channel::Impl::patience_ended(std::int64_t now_ns) const noexcept {
  if (options_.on_disconnect == OnDisconnect::never) return false;
  const auto most = std::chrono::nanoseconds(options_.reconnect_timeout);
  return (options_.max_reconnect_attempts != 0 && attempts_ >= options_.max_reconnect_attempts) ||
         (most.count() != 0 && now_ns - reconnecting_since_ns_ >= most.count());
}

/// The heartbeat thread cannot wait for a heartbeat to move: it compares with the attempt before.
Occupied Channel::Impl::judge_at_a_glance(Segment& segment) {
  if (segment.lock.held_by_other(presence_lock(Side::slave))) return Occupied::by_ours;
  const Header& header = segment.header();
  if (header.slave_alive.load_acquire() == 0) return Occupied::no;
  const std::uint64_t heartbeat = header.slave_heartbeat.load_relaxed();
  const bool stands = std::exchange(seen_inode_, segment.inode) == segment.inode && seen_heartbeat_ == heartbeat;
  seen_heartbeat_ = heartbeat;
  return stands ? Occupied::no : Occupied::by_others;
}

bool Channel::Impl::try_new_segment() {
  if (attached_->segment.named()) return false;
  try {
    SegmentRequest request = segment_request(name_, options_);
    request.patience = std::chrono::nanoseconds{0};
    auto arrival = try_arrive_as_slave(request, options_.heartbeat,
                                       [this](Segment& segment) { return judge_at_a_glance(segment); });
    if (!arrival || arrival->segment.header().master_alive.load_acquire() == 0) return false;
    attached_->presence.leave(false);
    if (read_version_ != version_.load(std::memory_order_relaxed)) {  // nobody read what we are in now
      MailboxReader unread;
      unread.start(attached_->segment.mailbox(other(side)), MailboxReader::From::first);
      passed_over_ += unread.completed();
    }
    const auto old = std::exchange(attached_, std::make_shared<Arrival>(std::move(*arrival)));
    version_.fetch_add(1, std::memory_order_acq_rel);
    const MailboxMemory mailbox = old->segment.mailbox(other(side));  // in which a reader may sleep
    if (mailbox.wakes) shm::futex_wake_all(mailbox.tail->wake_seq);
  } catch (const std::exception& error) {
    last_problem_ = error.what();
    return false;
  }
  SLUICE_KILL_POINT("channel.reattached");
  generation_ = attached_->segment.header().master_generation.load_relaxed();
  watch_ = watch_of(attached_->segment);
  return true;
}

}  // namespace sluice::eshm
