#include "control/runtime.hpp"

#include <unistd.h>

#include <map>

#include <sluice/graph.hpp>
#include <sluice/shm/kill_point.hpp>
#include <sluice/shm/service_thread.hpp>

#include "control/domain_files.hpp"

namespace sluice::detail {

namespace {

constexpr std::chrono::seconds kHeartbeatPeriod{1};

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
      log_(make_logger("sluice")) {
  for (const PluginInfo& plugin : transports_.plugins()) {
    if (!plugin.error.empty()) log_->warn("plugin '{}' {}", plugin.path, plugin.error);
  }
  shm::ensure_directory(runtime_dir_, context_.access);
  record_ = std::make_unique<ProcessRecord>(context_.directory, context_.access);
  sweep(transports_, context_);
  beat();
  thread_ = shm::start_service_thread([this] { control_.run(); });
}

Runtime::~Runtime() {
  if (fork_generation_ != shm::fork_generation()) {
    thread_.detach();  // it runs in the parent only
    return;
  }
  control_.stop();
  thread_.join();
  record_.reset();
  remove_if_empty(context_.directory);
  remove_if_empty(runtime_dir_);
}

void Runtime::beat() {
  record_->beat();
  SLUICE_KILL_POINT("record.beaten");
  heartbeat_.expires_after(kHeartbeatPeriod);
  heartbeat_.async_wait([this](const boost::system::error_code& error) {
    if (!error) beat();
  });
}

bool Runtime::first_mention(const std::string& topic) {
  const std::lock_guard lock(mutex_);
  return mentioned_.insert(topic).second;
}

std::size_t sweep(TransportRegistry& transports, const TransportContext& context) {
  std::size_t removed = 0;
  for (const std::string& path : domain_files(context.directory)) {
    if (path.ends_with(".process") && remove_dead_record(path)) ++removed;
  }
  for (const std::string& name : transports.names()) removed += transports.get(name).remove_leftovers(context);
  return removed;
}

}  // namespace sluice::detail

namespace sluice {

std::size_t remove_leftovers(const Config& config) {
  TransportRegistry transports(config.domain().plugin_path);
  const std::size_t removed = detail::sweep(transports, detail::context_of(config));
  detail::remove_if_empty(config.domain().directory());
  detail::remove_if_empty(config.domain().runtime_dir);
  return removed;
}

}  // namespace sluice
