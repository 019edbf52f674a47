#include "eshm/link.hpp"

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/doorbell.hpp>
#include <sluice/shm/kill_point.hpp>

#include <unistd.h>

#include <algorithm>
#include <exception>
#include <map>
#include <thread>
#include <utility>

namespace sluice::eshm {

namespace {

constexpr std::chrono::seconds kPatience{2};  // for whoever is removing the name
constexpr std::chrono::milliseconds kPause{1};
constexpr std::chrono::nanoseconds kNameLook = std::chrono::milliseconds{50};
constexpr Side kSides[] = {Side::master, Side::slave};

/// All Links of this process by path; a forked child begins with none.
struct Links {
  std::mutex mutex;
  std::uint32_t generation = shm::fork_generation();
  std::map<std::string, std::weak_ptr<Link>> by_path;
};

Links& links() {
  static Links& all = *new Links;  // endpoints may be closed during static destruction
  return all;
}

}  // namespace

std::shared_ptr<Link> Link::join(const EshmOptions& options) {
  const std::string path = segment_path(options.request.name);
  Links& all = links();
  const std::lock_guard lock(all.mutex);
  if (std::exchange(all.generation, shm::fork_generation()) != shm::fork_generation()) all.by_path.clear();
  std::weak_ptr<Link>& known = all.by_path[path];
  if (auto link = known.lock()) {
    if (link->options_.request.max_size == options.request.max_size) return link;
    throw Error("topic '" + options.topic + "': max_size " + std::to_string(options.request.max_size) +
                " differs from " + std::to_string(link->options_.request.max_size) + " of topic '" +
                link->options_.topic + "' on the same " + link->what() + "; give both the same");
  }
  auto link = std::make_shared<Link>(options);
  known = link;
  return link;
}

Link::Link(const EshmOptions& options) : options_(options), fork_generation_(shm::fork_generation()) {
  try {
    adopt(attach_or_make(kPatience));
  } catch (const Error& error) {
    throw Error("topic '" + options.topic + "': " + error.what());
  }
  pulse_ = process_pulse();
  if (!pulse_) throw Error("topic '" + options.topic + "': cannot start the heartbeat thread; too many threads?");
  pulse_->add(*this);
}

Link::~Link() {
  if (fork_generation_ != shm::fork_generation()) return;  // it is the parent's
  pulse_->remove(*this);
  leave_segment();
}

Segment Link::attach_or_make(std::chrono::nanoseconds patience) const {
  const shm::Deadline deadline = shm::Deadline::after(patience);
  for (;;) {
    auto segment = attach_segment(options_.request);
    if (!segment) segment = create_segment(options_.request, [](Segment&) {});
    // Who removes a segment holds the use lock alone: what we get then has no name any more, or is about to lose it.
    if (segment && segment->lock.try_lock_shared(kUseLock) && segment->named()) return std::move(*segment);
    if (deadline.passed()) break;
    std::this_thread::sleep_for(kPause);
  }
  throw Error(what() + " is created and removed again all the time by somebody else");
}

void Link::adopt(Segment segment) {
  segment_ = std::make_shared<Segment>(std::move(segment));
  for (const Side side : kSides) {
    at(side).watch = RemoteWatch(segment_->header(), side, options_.stale_after);
    at(side).state = RemoteState::unknown;
    at(side).second_writer_told = false;
  }
  version_.fetch_add(1, std::memory_order_acq_rel);
}

void Link::enter(const Member& member) {
  const std::lock_guard lock(mutex_);
  at(member.side).members.push_back(&member);
  try_office(member.side);
}

void Link::leave(const Member& member) noexcept {
  if (fork_generation_ != shm::fork_generation()) return;  // the office is the parent's, and perhaps the mutex locked
  const std::lock_guard lock(mutex_);
  SideState& side = at(member.side);
  std::erase(side.members, &member);
  if (side.members.empty()) give_up_office(side, member.side);
}

Link::Attached Link::attached() const {
  const std::lock_guard lock(mutex_);
  return {segment_, version()};
}

bool Link::foreigner_on(Side side) const {
  const std::lock_guard lock(mutex_);
  const SideState& state = sides_[static_cast<std::size_t>(side)];
  if (state.office || state.state != RemoteState::alive) return false;  // as of the last beat
  return side_words(segment_->header(), side).alive.load_acquire() != 0 &&
         !segment_->lock.held_by_other(presence_lock(side));
}

/// The office is free when nobody holds its lock, and nobody is alive there who takes no locks.
void Link::try_office(Side side) {
  SideState& state = at(side);
  const SideWords words = side_words(segment_->header(), side);
  const bool handed_over = words.pid.load_relaxed() == 0;
  const bool gone = state.state == RemoteState::stale || state.state == RemoteState::dead;
  if (words.alive.load_acquire() != 0 && !handed_over && !gone) return;
  if (!segment_->lock.try_lock_exclusive(presence_lock(side))) return;
  state.office.emplace(*segment_, side, true);
  state.state = RemoteState::alive;
}

void Link::give_up_office(SideState& state, Side side) noexcept {
  if (!state.office) return;
  const shm::FileLock& lock = segment_->lock;
  const bool others = lock.held_by_other(writing_lock(side)) || lock.held_by_other(reader_locks(other(side)));
  state.office->leave(others);
  state.office.reset();
  state.state = RemoteState::unknown;
  segment_->lock.unlock(presence_lock(side));
  SLUICE_KILL_POINT("link.office_left");
}

/// The last of ours removes the name, as the original's master does; unless a master of another program lives in it.
void Link::leave_segment() noexcept {
  for (const Side side : kSides) give_up_office(at(side), side);
  // Our share goes first: of two that leave at once and each wait for the other to be gone, nobody would remove it.
  segment_->lock.unlock(kUseLock);
  if (segment_->lock.held_by_other(kUseLock)) return;
  // Looked for now: the watch has not seen it beat if we were here for a moment only.
  if (who_occupies(segment_->header(), Side::master, segment_->lock) != Occupied::no) return;
  if (segment_->lock.try_lock_exclusive(kUseLock) && segment_->named()) {
    SLUICE_KILL_POINT("link.last_out");
    ::unlink(segment_->path.c_str());
  }
}

std::chrono::nanoseconds Link::beat(std::int64_t now_ns) noexcept {
  Reports reports;
  std::chrono::nanoseconds period{};
  {
    const std::lock_guard lock(mutex_);
    for (const Side side : kSides) beat_side(side, now_ns, reports);
    if (now_ns >= next_name_look_ns_) {
      next_name_look_ns_ = now_ns + kNameLook.count();
      follow_name(reports);
    }
    period = beat_period(segment_->header().stale_threshold.load_relaxed());
  }
  for (const Report& report : reports) report.to(report.event);
  return period;
}

void Link::beat_side(Side side, std::int64_t now_ns, Reports& reports) {
  SideState& state = at(side);
  if (!state.office) {
    watch_side(side, now_ns, reports);
    if (!state.members.empty()) try_office(side);
    return;
  }
  state.office->beat(now_ns);
  const SideWords words = side_words(segment_->header(), side);
  if (words.alive.load_relaxed() == 0) {  // a program without Sluice was here, too, and its goodbye was for both
    words.pid.store_relaxed(static_cast<std::uint32_t>(::getpid()));
    words.alive.store_release(1);
    state.second_writer_told = false;
  }
  const std::uint32_t pid = words.pid.load_relaxed();
  if (pid != static_cast<std::uint32_t>(::getpid())) tell_of_second_writer(side, reports);
}

void Link::tell_of_second_writer(Side side, Reports& reports) {
  if (std::exchange(at(side).second_writer_told, true)) return;
  const std::uint32_t pid = side_words(segment_->header(), side).pid.load_relaxed();
  tell(side, TransportEvent::Kind::second_writer,
       "another program (pid " + std::to_string(pid) + ") announced itself as the " + name_of(side) +
           " although process " + std::to_string(::getpid()) + " is; end one of them",
       reports);
}

void Link::watch_side(Side side, std::int64_t now_ns, Reports& reports) {
  SideState& state = at(side);
  const RemoteState before = std::exchange(state.state, state.watch.look(now_ns, segment_->lock));
  if (state.state == before) return;
  const std::string who = std::string("the ") + name_of(side);
  if (state.state == RemoteState::alive) {
    const std::uint32_t pid = side_words(segment_->header(), side).pid.load_relaxed();
    tell(other(side), TransportEvent::Kind::liveliness_gained,
         who + " is alive (pid " + std::to_string(pid) + ", generation " +
             std::to_string(segment_->header().master_generation.load_relaxed()) + ")",
         reports);
    // In a segment that another program made we find it in our place.
    const auto& members = at(side).members;
    const bool ours = std::any_of(members.begin(), members.end(), [](const Member* member) { return member->writes; });
    if (ours && !segment_->lock.held_by_other(presence_lock(side))) tell_of_second_writer(side, reports);
  } else if (before == RemoteState::alive) {
    const auto silence = std::chrono::duration_cast<std::chrono::milliseconds>(state.watch.silence());
    tell(other(side), TransportEvent::Kind::liveliness_lost,
         who + (state.state == RemoteState::dead
                    ? " is gone"
                    : " is stale: its heartbeat has stood still for " + std::to_string(silence.count()) + " ms"),
         reports);
  }
}

void Link::tell(Side side, TransportEvent::Kind kind, const std::string& text, Reports& reports) const {
  for (const Member* member : sides_[static_cast<std::size_t>(side)].members) {
    if (!member->report) continue;
    reports.push_back(
        {member->report, {kind, member->topic, "topic '" + member->topic + "': " + what() + ": " + text}});
  }
}

void Link::follow_name(Reports& reports) {
  if (segment_->named()) return;
  const auto old = segment_;
  try {
    Segment next = attach_or_make({});  // the heartbeat cannot wait; the next look is soon
    for (const Side side : kSides) give_up_office(at(side), side);
    adopt(std::move(next));
  } catch (const std::exception& error) {
    return;  // no room, no rights, or another size: the old one goes on, and we try again
  }
  for (const Side side : kSides) {
    if (!at(side).members.empty()) try_office(side);
    const MailboxMemory mailbox = old->mailbox(side);
    if (mailbox.wakes) shm::futex_wake_all(mailbox.tail->wake_seq);  // readers asleep in the old one
    tell(side, TransportEvent::Kind::segment_replaced, "another program replaced its segment; moved to the new one",
         reports);
  }
}

}  // namespace sluice::eshm
