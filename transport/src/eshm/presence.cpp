#include <sluice/eshm/presence.hpp>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <string>

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/kill_point.hpp>
#include <sluice/shm/sleep.hpp>

namespace sluice::eshm {

namespace {

constexpr std::int64_t kMillisecond = 1'000'000;

/// A process with this pid does not run here. One in another PID namespace may have it nevertheless.
bool names_no_process(std::uint32_t pid) {
  if (pid == 0 || (::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH)) return true;
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return false;
  const std::size_t name_end = line.rfind(") ");
  return name_end != std::string::npos && line.find_first_of("ZX", name_end) == name_end + 2;
}

}  // namespace

const char* name_of(RemoteState state) noexcept {
  switch (state) {
    case RemoteState::unknown: return "unknown";
    case RemoteState::alive: return "alive";
    case RemoteState::stale: return "stale";
    case RemoteState::dead: return "dead";
  }
  return "?";
}

std::chrono::nanoseconds beat_period(std::uint32_t stale_threshold_ms) noexcept {
  return std::chrono::milliseconds(std::clamp(stale_threshold_ms / 10, 1U, 10U));
}

RemoteWatch::RemoteWatch(const Header& header, Side side, std::chrono::milliseconds threshold) noexcept
    : header_(&header),
      heartbeat_(side == Side::master ? &header.master_heartbeat : &header.slave_heartbeat),
      alive_(side == Side::master ? &header.master_alive : &header.slave_alive),
      pid_(side == Side::master ? &header.master_pid : &header.slave_pid),
      lock_(presence_lock(side)),
      threshold_(threshold) {
  last_heartbeat_ = heartbeat_->load_relaxed();
}

std::chrono::milliseconds RemoteWatch::threshold() const noexcept {
  if (threshold_.count() != 0) return threshold_;
  return std::chrono::milliseconds(std::max(header_->stale_threshold.load_relaxed(), 1U));
}

RemoteState RemoteWatch::look(std::int64_t now_ns, const shm::FileLock& lock) noexcept {
  const std::int64_t limit = std::chrono::nanoseconds(threshold()).count();
  // We were stopped for that long, and perhaps the other side with us: its time begins anew.
  if (looked_ns_ == 0 || now_ns - looked_ns_ >= limit) moved_ns_ = now_ns;
  looked_ns_ = now_ns;
  const std::uint64_t heartbeat = heartbeat_->load_relaxed();
  const bool there = alive_->load_acquire() != 0;
  const bool holds = lock.usable() && lock.held_by_other(lock_);
  if (heartbeat != last_heartbeat_) {
    last_heartbeat_ = heartbeat;
    moved_ns_ = now_ns;
    moved_once_ = true;
  }
  const bool handed_over = there && pid_->load_relaxed() == 0;  // the heir takes the lock at its next beat
  const bool let_go = held_lock_ && !holds && !handed_over;
  const bool gone = let_go || (!there && (moved_once_ || state_ == RemoteState::stale));
  held_lock_ = holds;
  if (gone) {
    moved_once_ = false;
    state_ = RemoteState::dead;
  } else if (moved_once_ && now_ns - moved_ns_ < limit) {
    state_ = RemoteState::alive;
  } else if (now_ns - moved_ns_ >= limit && there && state_ != RemoteState::dead) {
    state_ = RemoteState::stale;
  }
  return state_;
}

Occupied who_occupies(Header& header, Side side, const shm::FileLock& lock) {
  if (lock.held_by_other(presence_lock(side))) return Occupied::by_ours;
  const SideWords words = side_words(header, side);
  if (words.alive.load_acquire() == 0) return Occupied::no;
  const std::uint64_t heartbeat = words.heartbeat.load_relaxed();
  const auto threshold = std::chrono::milliseconds(header.stale_threshold.load_relaxed());
  constexpr std::chrono::milliseconds kSomeBeats{30};
  constexpr std::chrono::milliseconds kLongest{10'000};  // the segment's word is not ours to trust
  const auto patience =
      names_no_process(words.pid.load_relaxed())
          ? kSomeBeats
          : std::clamp(threshold, std::chrono::milliseconds{100}, kLongest) + std::chrono::milliseconds{50};
  const shm::Deadline deadline = shm::Deadline::after(patience);
  do {
    shm::sleep_for(std::chrono::milliseconds{1});
    if (words.heartbeat.load_relaxed() != heartbeat) return Occupied::by_others;
    if (words.alive.load_acquire() == 0) return Occupied::no;
  } while (!deadline.passed());
  return lock.held_by_other(presence_lock(side)) ? Occupied::by_ours : Occupied::no;
}

Presence::Presence(const Segment& segment, Side side, bool beats) noexcept
    : header_(&segment.header()), side_(side), beaten_ns_(shm::monotonic_ns()) {
  const SideWords words = side_words(*header_, side);
  const bool handed_over = words.alive.load_acquire() != 0 && words.pid.load_relaxed() == 0;
  if (side == Side::master && !handed_over) header_->master_generation.fetch_add_relaxed(1);
  SLUICE_KILL_POINT("presence.generation");
  words.pid.store_relaxed(static_cast<std::uint32_t>(::getpid()));
  SLUICE_KILL_POINT("presence.pid");
  words.alive.store_release(1);
  SLUICE_KILL_POINT("presence.alive");
  // Not 0, as the original does: a slave of the original that reconnects waits for a value that it has not seen last.
  if (beats) words.heartbeat.fetch_add_relaxed(1);
}

void Presence::announce_in_new(Header& header, Side side) noexcept {
  const SideWords words = side_words(header, side);
  if (side == Side::master) header.master_generation.store_relaxed(1);
  words.pid.store_relaxed(static_cast<std::uint32_t>(::getpid()));
  words.alive.store_relaxed(1);
}

Presence Presence::of_creator(const Segment& segment, Side side) noexcept {
  Presence presence;
  presence.header_ = &segment.header();
  presence.side_ = side;
  presence.beaten_ns_ = shm::monotonic_ns();
  return presence;
}

void Presence::beat(std::int64_t now_ns) noexcept {
  const std::int64_t elapsed = (now_ns - beaten_ns_) / kMillisecond;
  if (elapsed <= 0) return;
  beaten_ns_ += elapsed * kMillisecond;
  side_words(*header_, side_).heartbeat.fetch_add_relaxed(static_cast<std::uint64_t>(elapsed));
}

void Presence::leave(bool others_stay) noexcept {
  const SideWords words = side_words(*header_, side_);
  if (others_stay) {
    words.pid.store_relaxed(0);
  } else {
    words.alive.store_release(0);
  }
  SLUICE_KILL_POINT("presence.left");
}

}  // namespace sluice::eshm
