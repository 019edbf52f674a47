#include "libeshm/handle.hpp"

#include <chrono>
#include <deque>
#include <string>
#include <utility>

#include <sluice/error.hpp>
#include <sluice/shm/access.hpp>
#include <sluice/shm/file_lock.hpp>

namespace sluice::libeshm {

namespace {

/// So many handles are destroyed before the memory of one is used again.
constexpr std::size_t kMostRetired = 1024;

/// Handles that were destroyed, the oldest first. Never destroyed itself: threads may still call at the program's end.
struct Retired {
  std::mutex mutex;
  std::deque<ESHMHandle*> handles;

  static Retired& instance() {
    static Retired& retired = *new Retired;
    return retired;
  }
};

ESHMHandle* handle_for(std::unique_ptr<eshm::Channel> channel) {
  Retired& retired = Retired::instance();
  const std::lock_guard lock(retired.mutex);
  if (retired.handles.size() < kMostRetired) {
    return new ESHMHandle{{}, {}, {}, std::move(channel), false, shm::fork_generation()};
  }
  ESHMHandle* const handle = retired.handles.front();
  retired.handles.pop_front();
  const std::scoped_lock all(handle->reading, handle->writing, handle->asking);
  handle->channel = std::move(channel);
  handle->fork_generation = shm::fork_generation();
  handle->closing = false;
  return handle;
}

eshm::Role role_of(const ESHMConfig& config) {
  switch (const std::uint32_t number = number_in(config.role)) {
    case ESHM_ROLE_MASTER: return eshm::Role::master;
    case ESHM_ROLE_SLAVE: return eshm::Role::slave;
    case ESHM_ROLE_AUTO: return eshm::Role::automatic;
    default:
      throw Error("channel '" + std::string(config.shm_name) + "': role " + std::to_string(number) +
                  " is none of ESHM_ROLE_MASTER (0), ESHM_ROLE_SLAVE (1), ESHM_ROLE_AUTO (2)");
  }
}

eshm::OnDisconnect behavior_of(const ESHMConfig& config) {
  switch (const std::uint32_t number = number_in(config.disconnect_behavior)) {
    case ESHM_DISCONNECT_IMMEDIATELY: return eshm::OnDisconnect::immediately;
    case ESHM_DISCONNECT_ON_TIMEOUT:
    case ESHM_DISCONNECT_NEVER: return eshm::OnDisconnect::on_timeout;  // the original has no difference
    default:
      throw Error("channel '" + std::string(config.shm_name) + "': disconnect behaviour " + std::to_string(number) +
                  " is none of ESHM_DISCONNECT_IMMEDIATELY (0), ESHM_DISCONNECT_ON_TIMEOUT (1), "
                  "ESHM_DISCONNECT_NEVER (2)");
  }
}

std::chrono::nanoseconds patience_of(std::uint32_t attach_timeout_ms) {
  if (attach_timeout_ms == ESHM_TIMEOUT_INFINITE) return eshm::Channel::kForever;
  return std::chrono::milliseconds(attach_timeout_ms);
}

eshm::ChannelOptions options_of(const ESHMConfig& config, std::uint32_t attach_timeout_ms) {
  constexpr std::uint32_t kUpstreamMode = 0666;
  eshm::ChannelOptions options;
  options.role = role_of(config);
  options.on_disconnect = behavior_of(config);
  // 0 in the original means that every peer is always stale; only programs without threads can have meant it.
  if (config.stale_threshold_ms != 0) options.stale_threshold = std::chrono::milliseconds(config.stale_threshold_ms);
  options.follow_segment = true;
  options.reconnect_interval = std::chrono::milliseconds(config.reconnect_retry_interval_ms);
  options.max_reconnect_attempts = config.max_reconnect_attempts;
  options.reconnect_timeout = std::chrono::milliseconds(config.reconnect_wait_ms);
  options.auto_cleanup = config.auto_cleanup;
  options.heartbeat = config.use_threads;
  options.max_size = ESHM_MAX_DATA_SIZE;
  options.attach_timeout = patience_of(attach_timeout_ms);
  options.first_read = attach_timeout_ms == 0 ? eshm::FirstRead::after_reading : eshm::FirstRead::after_open;
  options.access = shm::umask_access(kUpstreamMode);
  return options;
}

}  // namespace

ESHMHandle* open_handle(const ESHMConfig* config, std::uint32_t attach_timeout_ms) {
  if (config == nullptr) throw Error("eshm_init needs a configuration, not NULL");
  if (config->shm_name == nullptr) throw Error("eshm_init needs a shm_name, not NULL");
  const eshm::ChannelOptions options = options_of(*config, attach_timeout_ms);
  return handle_for(std::make_unique<eshm::Channel>(config->shm_name, options));
}

bool close_handle(ESHMHandle& handle) {
  handle.closing = true;
  std::unique_ptr<eshm::Channel> channel;
  {
    const std::lock_guard reading(handle.reading);
    const std::lock_guard writing(handle.writing);
    const std::lock_guard asking(handle.asking);
    channel = std::move(handle.channel);
  }
  if (!channel) return false;
  channel.reset();
  Retired& retired = Retired::instance();
  const std::lock_guard lock(retired.mutex);
  retired.handles.push_back(&handle);
  return true;
}

}  // namespace sluice::libeshm
