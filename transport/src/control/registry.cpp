#include "control/registry.hpp"

#include <sys/stat.h>

#include <algorithm>

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/kill_point.hpp>

#include "control/control_server.hpp"
#include "control/domain_files.hpp"

namespace sluice::detail {

namespace {

using std::chrono::milliseconds;

/// A process that ends gives its lock back within the same exit that closes the descriptor.
constexpr milliseconds kSuspectPeriod{1};
constexpr int kSuspectLooks = 20;

constexpr milliseconds kPollPeriod{100};

/// A directory that changed so lately may have changed again without its time of change being another one.
constexpr std::chrono::nanoseconds kTimesOfFilesAreCoarse = milliseconds{50};

std::int64_t time_of_change(const std::string& directory) {
  struct stat info {};
  if (::stat(directory.c_str(), &info) != 0) return 0;
  return info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec;
}

std::int64_t realtime_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

Registry::Registry(boost::asio::io_context& context, std::string domain_directory, ProcessRecord& own,
                   std::shared_ptr<spdlog::logger> log)
    : domain_directory_(std::move(domain_directory)),
      directory_(records_directory(domain_directory_)),
      own_(own),
      log_(std::move(log)),
      watch_(context, {[this](const std::string& name) { look_at(directory_ + "/" + name); },
                       [this](const std::string& name) { suspect(directory_ + "/" + name); }, [this] { overflowed(); },
                       [this] { own_in_doubt_ = true; }}),
      suspects_timer_(context),
      poll_timer_(context) {}

void Registry::begin(Sink sink, Interest interest, Lease lease) {
  sink_ = std::move(sink);
  interest_ = std::move(interest);
  lease_ = std::move(lease);
  begin_watching();
  rescan();  // after the watch has begun, so that nobody slips through between the two
}

void Registry::begin_watching() {
  if (watch_.begin(directory_)) {
    polling_ = false;
    poll_timer_.cancel();
    return;
  }
  if (std::exchange(polling_, true)) return;
  log_->warn(
      "no inotify instance is left for this user (sysctl fs.inotify.max_user_instances): looking for other processes "
      "every {} ms instead",
      kPollPeriod.count());
  poll();
}

void Registry::overflowed() {
  own_in_doubt_ = true;
  rescan();
}

/// The graph as it is in the directory; what is known and still there is not read again unless it says it changed.
void Registry::rescan() {
  std::set<std::string> found;
  try {
    for (const std::string& path : domain_files(directory_)) {
      if (is_record(path)) found.insert(path);
    }
  } catch (const Error& error) {
    if (problems_.insert(error.what()).second) log_->error("{}", error.what());
    return;
  }
  for (const std::string& path : found) look_at(path);
  std::vector<std::string> gone;
  for (const auto& [path, peer] : peers_) {
    if (!found.contains(path)) gone.push_back(path);
  }
  for (const std::string& path : gone) take_leave(path);
}

void Registry::look_at(const std::string& path) {
  if (!is_record(path)) return;
  const auto known = peers_.find(path);
  if (known == peers_.end()) return meet(path);
  if (!shm::name_means(path, known->second.view.inode())) {
    take_leave(path);
    meet(path);
  } else if (known->second.changes != known->second.view.changes()) {
    refresh(path, known->second);
  }
}

void Registry::meet(const std::string& path) {
  Peer peer{RecordView::attach(path), {}, 0, 0, 0, 0, 0};
  if (peer.view.absent()) return;
  if (!peer.view.ok()) {
    if (problems_.insert(peer.view.problem()).second) log_->warn("{}", peer.view.problem());
    return;
  }
  if (path != own_.path() && !record_owner_lives(path)) return bury(path);
  peer.changes = peer.view.changes();
  peer.heartbeat = peer.view.heartbeat();
  peer.looked_ns = shm::monotonic_ns();
  peer.heard_ns = peer.looked_ns - peer.view.age().count();
  peer.info = peer.view.read(domain_directory_);
  SLUICE_KILL_POINT("registry.met");
  Peer& known = peers_.insert_or_assign(path, std::move(peer)).first->second;
  forget(known);
  due_.push_back({0, &known});
  report(GraphEvent::Kind::joined, known);
}

void Registry::refresh(const std::string& path, Peer& peer) {
  peer.changes = peer.view.changes();
  if (peer.view.has_grown()) {
    auto again = RecordView::attach(path);
    if (again.ok() && again.inode() == peer.view.inode()) peer.view = std::move(again);
  }
  const Liveliness liveliness = peer.info.liveliness;
  const std::string because = peer.info.late_because;
  peer.info = peer.view.read(domain_directory_);
  peer.info.liveliness = liveliness;
  peer.info.late_because = because;
  report(GraphEvent::Kind::changed, peer);
}

void Registry::suspect(const std::string& path) {
  if (path == own_.path() || path == control_socket_path(own_.path())) {
    own_in_doubt_ = true;  // for the next tick: whoever removes it again and again gets it back once a period
    return;
  }
  if (!is_record(path)) return;
  if (!peers_.contains(path)) return look_at(path);
  const bool known = std::any_of(suspects_.begin(), suspects_.end(), [&](auto& s) { return s.path == path; });
  if (known) return;
  suspects_.push_back({path, kSuspectLooks});
  if (suspects_.size() == 1) look_at_suspects();
}

void Registry::look_at_suspects() {
  std::vector<std::string> gone;
  std::erase_if(suspects_, [&](Suspect& suspect) {
    const auto peer = peers_.find(suspect.path);
    if (peer == peers_.end()) return true;
    if (!shm::name_means(suspect.path, peer->second.view.inode()) || !record_owner_lives(suspect.path)) {
      gone.push_back(suspect.path);
      return true;
    }
    return --suspect.looks_left == 0;
  });
  for (const std::string& path : gone) {
    take_leave(path);
    look_at(path);  // another process may have the name by now
  }
  if (suspects_.empty()) return;
  suspects_timer_.expires_after(kSuspectPeriod);
  suspects_timer_.async_wait([this](const auto& error) {
    if (!error) look_at_suspects();
  });
}

/// The process of a known record is gone.
void Registry::take_leave(const std::string& path) {
  auto node = peers_.extract(path);
  if (node.empty()) return;
  Peer& peer = node.mapped();
  forget(peer);
  const bool left = peer.view.left();
  if (peer.changes != peer.view.changes()) {
    ProcessInfo last = peer.view.read(domain_directory_);  // such as why it gave up
    if (left) {  // it took its nodes down before: what they were is known better from before
      last.nodes = std::move(peer.info.nodes);
      last.endpoints = std::move(peer.info.endpoints);
    }
    peer.info = std::move(last);
    report(GraphEvent::Kind::changed, peer);
  }
  peer.info.liveliness = left ? Liveliness::left : Liveliness::lost;
  peer.info.late_because.clear();
  if (!left) bury(path);
  report(left ? GraphEvent::Kind::left : GraphEvent::Kind::lost, peer);
}

/// One of us removes what a dead process left: the first by name of those who are not late. If that one is killed or
/// stopped here, whoever joins next does it.
void Registry::bury(const std::string& path) {
  for (const auto& [other, peer] : peers_) {
    if (other != path && peer.info.liveliness == Liveliness::alive) {
      if (other == own_.path()) (void)remove_dead_record(path);
      return;
    }
  }
}

bool Registry::tick(std::chrono::nanoseconds period) {
  // Without inotify nobody tells us.
  const bool in_doubt = std::exchange(own_in_doubt_, false) || !watch_.running();
  if (in_doubt) restore_if_removed();
  const std::int64_t now = shm::monotonic_ns();
  // If we ourselves stood still, maybe everybody did (a frozen control group, a paused machine): begin anew with them.
  const bool stood_still = ticked_ns_ != 0 && now - ticked_ns_ > 2 * period.count();
  ticked_ns_ = now;
  for (std::size_t i = 0; i < due_.size(); ++i) {  // by index: a look may find that others are due
    if (due_[i].at_ns > now && !stood_still) continue;
    Peer& peer = *due_[i].peer;
    // A process that was stopped before it could announce what it had changed.
    if (peer.changes != peer.view.changes()) refresh(peer.info.record, peer);
    if (stood_still || !peer.interesting) peer.heard_ns = peer.looked_ns = now;
    if (peer.interesting) compare_heartbeat(peer, now);
    due_[i].at_ns = next_look(peer, now);
  }
  return in_doubt;
}

/// When it would be late at the earliest, seen from now: until then no look could find more.
std::int64_t Registry::next_look(const Peer& peer, std::int64_t now) const {
  if (peer.info.liveliness == Liveliness::late) return now;
  const auto lease = std::max(peer.view.lease(), peer.lease);
  const std::chrono::nanoseconds stuck = peer.view.stuck();
  return std::min(peer.heard_ns + lease.count(), now + (lease - std::min(stuck, lease)).count());
}

void Registry::look_soon(const Peer& peer) {
  for (Due& due : due_) {
    if (due.peer == &peer) due.at_ns = 0;
  }
}

void Registry::forget(const Peer& peer) {
  std::erase_if(due_, [&](const Due& due) { return due.peer == &peer; });
}

/// A heartbeat that moved did so after the look before, whatever the other's clock says.
void Registry::compare_heartbeat(Peer& peer, std::int64_t now) {
  const std::uint64_t heartbeat = peer.view.heartbeat();
  if (heartbeat != peer.heartbeat) peer.heard_ns = std::max(peer.looked_ns, now - peer.view.age().count());
  peer.heartbeat = heartbeat;
  peer.looked_ns = now;
  const auto lease = std::max(peer.view.lease(), peer.lease);
  const std::chrono::nanoseconds silence{now - peer.heard_ns};
  const bool stuck = peer.view.stuck() >= lease;
  const bool late = silence >= lease || stuck;
  if (late == (peer.info.liveliness == Liveliness::late)) return;
  if (late) {
    peer.view.explain_lateness(peer.info, silence >= lease ? silence : std::chrono::nanoseconds{});
    report(GraphEvent::Kind::late, peer);
  } else {
    peer.info.liveliness = Liveliness::alive;
    peer.info.late_because.clear();
    report(GraphEvent::Kind::alive, peer);
  }
}

/// systemd's RemoveIPC, a cleaner of temporary files, an `rm -r`: our record is made anew where it was.
void Registry::restore_if_removed() {
  if (own_.in_place()) {
    if (!watch_.running() && !polling_) begin_watching();
    return;
  }
  const std::string before = own_.path();
  try {
    own_.restore();
  } catch (const Error& error) {
    if (problems_.insert(error.what()).second) log_->error("{}", error.what());
    own_in_doubt_ = true;
    return;
  }
  log_->error(
      "'{}' was removed while it was in use (systemd's RemoveIPC, or somebody's rm?) and has been made anew: topics "
      "that were opened before go on among those who have them open, and others cannot join them; restart those",
      before);
  if (const auto own = peers_.find(before); own != peers_.end()) {
    forget(own->second);
    peers_.erase(own);
  }
  begin_watching();
  rescan();
}

void Registry::poll() {
  const std::int64_t changed = time_of_change(directory_);
  const std::chrono::nanoseconds since{realtime_ns() - changed};
  if (changed != directory_changed_ns_ || since < kTimesOfFilesAreCoarse + kPollPeriod) {
    directory_changed_ns_ = changed;
    rescan();
  }
  std::vector<std::string> still;
  for (auto& [path, peer] : peers_) {
    if (peer.changes != peer.view.changes()) refresh(path, peer);
    const std::uint64_t heartbeat = peer.view.heartbeat();
    if (heartbeat == peer.polled_heartbeat) still.push_back(path);
    peer.polled_heartbeat = heartbeat;
  }
  for (const std::string& path : still) {
    if (path != own_.path() && !record_owner_lives(path)) take_leave(path);
  }
  poll_timer_.expires_after(kPollPeriod);
  poll_timer_.async_wait([this](const auto& error) {
    if (!error) poll();
  });
}

void Registry::consider(Peer& peer) const {
  peer.interesting = interest_(peer.info);
  peer.lease = lease_(peer.info);
}

void Registry::reconsider() {
  for (auto& [path, peer] : peers_) consider(peer);
  for (Due& due : due_) due.at_ns = 0;
}

void Registry::report(GraphEvent::Kind kind, Peer& peer) {
  if (kind == GraphEvent::Kind::joined || kind == GraphEvent::Kind::changed) {
    consider(peer);
    look_soon(peer);
  }
  sink_({kind, peer.info});
}

void Registry::for_each(const std::function<void(const ProcessInfo&)>& visit) const {
  for (const auto& [path, peer] : peers_) visit(peer.info);
}

bool Registry::alone() const noexcept { return peers_.size() <= 1; }

}  // namespace sluice::detail
