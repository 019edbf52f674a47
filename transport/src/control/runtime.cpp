#include "control/runtime.hpp"

#include <unistd.h>

#include <cerrno>
#include <map>

#include <sluice/graph.hpp>
#include <sluice/shm/deadline.hpp>
#include <sluice/shm/kill_point.hpp>
#include <sluice/shm/service_thread.hpp>
#include <sluice/shm/sleep.hpp>

#include "control/domain_files.hpp"

namespace sluice::detail {

namespace {

/// Of a process none of whose topics has a shorter `liveliness`.
constexpr std::chrono::seconds kLease{3};
constexpr std::chrono::milliseconds kShortestPeriod{5};
constexpr std::chrono::milliseconds kAnnouncementPeriod{5};

/// Whoever removed the record died before it removed the socket.
void remove_orphaned_socket(const std::string& path) {
  if (::access(record_path_of(path).c_str(), F_OK) != 0 && errno == ENOENT) ::unlink(path.c_str());
}

void remove_if_empty(const std::string& directory) {
  if (::rmdir(directory.c_str()) == 0) SLUICE_KILL_POINT("directory.removed");
}

TransportContext context_of(const Config& config) {
  return {config.domain().directory(), {config.domain().mode, config.domain().group}};
}

}  // namespace

std::shared_ptr<Runtime> Runtime::join(const Config& config) {
  static std::mutex mutex;
  static std::map<std::pair<std::string, pid_t>, std::weak_ptr<Runtime>> runtimes;
  const std::lock_guard lock(mutex);
  // By process too: a forked child's inherited presence is its parent's.
  std::weak_ptr<Runtime>& entry = runtimes[{config.domain().directory(), ::getpid()}];
  if (auto runtime = entry.lock()) return runtime;
  auto runtime = std::make_shared<Runtime>(config);
  entry = runtime;
  return runtime;
}

Runtime::Runtime(const Config& config)
    : runtime_dir_(config.domain().runtime_dir),
      context_(context_of(config)),
      transports_(config.domain().plugin_path),
      log_(make_logger("sluice", config.domain())) {
  for (const PluginInfo& plugin : transports_.plugins()) {
    if (!plugin.error.empty()) log_->warn("plugin '{}' {}", plugin.path, plugin.error);
  }
  shm::ensure_directory(runtime_dir_, context_.access);
  record_ = std::make_unique<ProcessRecord>(context_.directory, context_.access);
  record_->on_change([this] { announce_soon(); });
  sweep(transports_, context_);
  registry_ = std::make_unique<Registry>(control_, context_.directory, *record_, log_);
  server_ = std::make_unique<ControlServer>(control_, context_.access, log_);
  registry_->begin([this](const GraphEvent& event) { on_graph_event(event); },
                   [this](const ProcessInfo& process) { return matching_.concerns(process) || anybody_listens(); },
                   [this](const ProcessInfo& process) { return matching_.lease(process, kLease); });
  beat();
  thread_ = shm::start_service_thread([this] { run(); });
}

Runtime::~Runtime() {
  if (fork_generation_ != shm::fork_generation()) {
    thread_.detach();           // it runs in the parent only
    (void)registry_.release();  // what it holds may have been in that thread's hands, and is not to be waited for here
    return;
  }
  // In its turn: an answer that was given before, such as to who asked for this end, is sent first.
  boost::asio::post(control_, [this] { control_.stop(); });
  thread_.join();
  // Whoever could not open what it wanted usually ends at once, and the others are to see why.
  while (record_->refused_lately() && !registry_->alone()) shm::sleep_for(std::chrono::milliseconds{5});
  const bool last = registry_->alone();
  server_.reset();  // before the record: a socket without one is dead
  record_.reset();
  if (last) {
    try {
      sweep(transports_, context_);
    } catch (const Error&) {
      // The directory went already.
    }
  }
  remove_if_empty(records_directory(context_.directory));
  remove_if_empty(context_.directory);
  remove_if_empty(runtime_dir_);
}

std::chrono::nanoseconds Runtime::lease() const {
  return std::min<std::chrono::nanoseconds>(kLease, matching_.shortest_liveliness().value_or(kLease));
}

void Runtime::beat() {
  // Three heartbeats in a lease: one may be missed, and the others look as often as this.
  const std::chrono::nanoseconds period = std::max<std::chrono::nanoseconds>(lease() / 3, kShortestPeriod);
  record_->beat(period, lease());
  SLUICE_KILL_POINT("record.beaten");
  watch_executors();
  const bool in_doubt = registry_->tick(period);
  if (in_doubt || !server_->offered()) server_->offer(record_->path());  // the tick may have made the record anew
  next_beat_ = std::chrono::steady_clock::now() + period;
}

/// The heartbeat is no timer of Asio's: that would cost two more system calls each time, in every process of the host.
void Runtime::run() {
  while (!control_.stopped()) {
    control_.run_one_until(next_beat_);
    if (std::chrono::steady_clock::now() >= next_beat_) beat();
  }
}

/// A round is odd while callbacks may run: one that is still the same has not come back from them.
void Runtime::watch_executors() {
  const std::int64_t now = shm::monotonic_ns();
  std::uint64_t longest = 0;
  for (std::size_t i = 0; i < record_->executors_claimed(); ++i) {
    ExecutorProgress& executor = record_->executor(i);
    const std::uint64_t round = executor.round.load_relaxed();
    if (round != executors_[i].round || round % 2 == 0) executors_[i] = {round, now};
    const auto stuck = static_cast<std::uint64_t>((now - executors_[i].since_ns) / 1'000'000);
    executor.stuck_ms.store_relaxed(stuck);
    longest = std::max(longest, stuck);
  }
  record_->set_stuck(longest);
}

/// Many changes come together when a process starts: one announcement for all that came within some milliseconds.
void Runtime::announce_soon() {
  if (fork_generation_ != shm::fork_generation() || announcing_.exchange(true, std::memory_order_acq_rel)) return;
  boost::asio::post(control_, [this] {
    announcement_.expires_after(kAnnouncementPeriod);
    announcement_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      announcing_.store(false, std::memory_order_release);
      record_->announce();
    });
  });
}

void Runtime::add_endpoint(const std::shared_ptr<OwnEndpoint>& endpoint) {
  matching_.add(endpoint);
  endpoints_changed();
}

void Runtime::remove_endpoint(const OwnEndpoint* endpoint) {
  matching_.remove(endpoint);
  endpoints_changed();
}

void Runtime::endpoints_changed() {
  if (reconsidering_.exchange(true, std::memory_order_acq_rel)) return;
  boost::asio::post(control_, [this] {
    reconsidering_.store(false, std::memory_order_release);
    registry_->reconsider();
    registry_->for_each([this](const ProcessInfo& process) { matching_.find_mismatches(process); });
    if (lease() < shortest_lease_) {  // the next heartbeat is due earlier than was planned
      shortest_lease_ = lease();
      beat();
    }
  });
}

void Runtime::liveliness_wanted() {
  boost::asio::post(control_, [this] { matching_.tell_liveliness(processes()); });
}

Matching::Processes Runtime::processes() {
  return [this](const auto& visit) { registry_->for_each(visit); };
}

void Runtime::add_listener(const std::shared_ptr<GraphListener>& listener) {
  boost::asio::post(control_, [this, weak = std::weak_ptr(listener)] {
    const auto added = weak.lock();
    if (added == nullptr) return;
    registry_->for_each([&](const ProcessInfo& process) {
      if (process.record != record_->path()) (*added)({GraphEvent::Kind::joined, process});
    });
    listeners_.push_back(weak);
    registry_->reconsider();
  });
}

bool Runtime::anybody_listens() {
  std::erase_if(listeners_, [](const auto& weak) { return weak.expired(); });
  return !listeners_.empty();
}

void Runtime::on_graph_event(const GraphEvent& event) {
  const bool ours = event.process.record == record_->path();
  log_event(event, ours);
  using Kind = GraphEvent::Kind;
  if (event.kind == Kind::joined || event.kind == Kind::changed) matching_.find_mismatches(event.process);
  if (event.kind == Kind::lost || event.kind == Kind::left) {
    matching_.tell_end(event.process, event.process.liveliness, processes());
  } else {
    matching_.tell_liveliness(processes());
  }
  if (ours) return;
  if (event.kind == Kind::lost || event.kind == Kind::late) matching_.look_again(event.process);
  for (const auto& weak : listeners_) {
    if (const auto listener = weak.lock()) (*listener)(event);
  }
}

namespace {

std::string name_of(const ProcessInfo& process) {
  std::string nodes;
  for (const std::string& node : process.nodes) nodes += (nodes.empty() ? "" : ", ") + node;
  return process.executable + " (process " + std::to_string(process.pid) + (nodes.empty() ? "" : ", nodes " + nodes) +
         ")";
}

}  // namespace

void Runtime::log_event(const GraphEvent& event, bool ours) {
  using Kind = GraphEvent::Kind;
  if (event.kind == Kind::joined || event.kind == Kind::changed) return;
  if (!ours && !matching_.concerns(event.process)) return;
  const std::string name = ours ? "this process" : name_of(event.process);
  switch (event.kind) {
    case Kind::late: log_->warn("{} is late: {}", name, event.process.late_because); break;
    case Kind::alive: log_->info("{} is alive again", name); break;
    case Kind::lost: log_->warn("{} is lost: it ended without leaving", name); break;
    default: log_->info("{} left", name); break;
  }
}

bool Runtime::first_mention(const std::string& topic) {
  const std::lock_guard lock(mutex_);
  return mentioned_.insert(topic).second;
}

std::size_t sweep(TransportRegistry& transports, const TransportContext& context) {
  std::size_t removed = 0;
  for (const std::string& path : domain_files(records_directory(context.directory))) {
    if (is_record(path) && !record_owner_lives(path) && remove_dead_record(path)) ++removed;
    if (is_control_socket(path)) remove_orphaned_socket(path);
  }
  for (const std::string& name : transports.names()) removed += transports.get(name).remove_leftovers(context);
  return removed;
}

}  // namespace sluice::detail

namespace sluice {

std::size_t remove_leftovers(const Config& config) {
  TransportRegistry transports(config.domain().plugin_path);
  const std::size_t removed = detail::sweep(transports, detail::context_of(config));
  detail::remove_if_empty(detail::records_directory(config.domain().directory()));
  detail::remove_if_empty(config.domain().directory());
  detail::remove_if_empty(config.domain().runtime_dir);
  return removed;
}

}  // namespace sluice
