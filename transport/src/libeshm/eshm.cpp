#include <eshm.h>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/file_lock.hpp>

#include "libeshm/handle.hpp"

using sluice::eshm::Channel;
using sluice::eshm::ChannelStats;
using sluice::eshm::Connection;
using sluice::eshm::ReadResult;
using sluice::eshm::ReadStatus;
using sluice::shm::Deadline;

namespace {

constexpr std::uint32_t kDefaultTimeout = 1000;

/// A read that waits looks that often whether its handle is being destroyed.
constexpr std::chrono::nanoseconds kSlice = std::chrono::milliseconds{50};

/// What an exception becomes; only mutexes throw in what is called here.
template <typename Body>
int guarded(const Body& body) noexcept {
  try {
    return body();
  } catch (...) {
    return ESHM_ERROR_MUTEX_LOCK;
  }
}

bool usable(const ESHMHandle& handle) noexcept { return handle.fork_generation == sluice::shm::fork_generation(); }

/// Runs `body` with the channel, one at a time.
template <typename Body>
int ask(ESHMHandle* handle, const Body& body) noexcept {
  if (!usable(*handle)) return ESHM_ERROR_NOT_INITIALIZED;
  return guarded([&] {
    const std::lock_guard lock(handle->asking);
    if (!handle->channel) return int{ESHM_ERROR_NOT_INITIALIZED};
    body(*handle->channel);
    return int{ESHM_SUCCESS};
  });
}

/// The caller's time, which begins when there is nothing to do but to wait.
Deadline deadline_of(std::uint32_t timeout_ms) noexcept {
  return timeout_ms == ESHM_TIMEOUT_INFINITE ? Deadline::never()
                                             : Deadline::after(std::chrono::milliseconds(timeout_ms));
}

bool lock_until(std::unique_lock<std::timed_mutex>& lock, const Deadline& deadline) {
  if (deadline.is_never()) {
    lock.lock();
    return true;
  }
  return lock.try_lock_until(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(deadline.ns())));
}

/// The rest of a read that found nothing at its first look. The caller holds `reading`.
ReadResult wait_for_message(const ESHMHandle& handle, std::span<std::byte> buffer, const Deadline& deadline) noexcept {
  for (;;) {
    const auto left = std::chrono::nanoseconds(deadline.ns() - sluice::shm::monotonic_ns());
    const ReadResult result = handle.channel->read(buffer, std::min(left, kSlice));
    if (result.status != ReadStatus::nothing) return result;
    if (deadline.passed() || handle.closing.load(std::memory_order_relaxed)) return result;
  }
}

int code_of(const ESHMHandle& handle, const ReadResult& result, std::uint32_t timeout_ms) noexcept {
  switch (result.status) {
    case ReadStatus::ok: return ESHM_SUCCESS;
    case ReadStatus::too_small: return ESHM_ERROR_BUFFER_TOO_SMALL;
    case ReadStatus::stale: return ESHM_ERROR_MASTER_STALE;
    case ReadStatus::gave_up: return ESHM_ERROR_TIMEOUT;
    case ReadStatus::nothing: break;
  }
  if (handle.closing.load(std::memory_order_relaxed)) return ESHM_ERROR_NOT_INITIALIZED;
  const bool attached = handle.channel->connection() == Connection::open;
  return timeout_ms == 0 && attached ? ESHM_ERROR_NO_DATA : ESHM_ERROR_TIMEOUT;
}

int read(ESHMHandle& handle, std::span<std::byte> buffer, std::size_t& bytes_read, std::uint32_t timeout_ms) {
  std::unique_lock lock(handle.reading, std::try_to_lock);
  std::optional<Deadline> deadline;
  if (!lock) {
    if (timeout_ms == 0) return ESHM_ERROR_NO_DATA;
    deadline = deadline_of(timeout_ms);
    if (!lock_until(lock, *deadline)) return ESHM_ERROR_TIMEOUT;
  }
  if (!handle.channel || handle.closing.load(std::memory_order_relaxed)) return ESHM_ERROR_NOT_INITIALIZED;
  ReadResult result = handle.channel->try_read(buffer);
  if (result.status == ReadStatus::nothing && timeout_ms != 0) {
    result = wait_for_message(handle, buffer, deadline ? *deadline : deadline_of(timeout_ms));
  }
  if (result.status == ReadStatus::ok) bytes_read = result.size;
  return code_of(handle, result, timeout_ms);
}

/// Both ways to read.
int checked_read(ESHMHandle* handle, void* buffer, std::size_t buffer_size, std::size_t& bytes_read,
                 std::uint32_t timeout_ms) noexcept {
  if (handle == nullptr || buffer == nullptr) return ESHM_ERROR_INVALID_PARAM;
  if (!usable(*handle)) return ESHM_ERROR_NOT_INITIALIZED;
  return guarded([&] { return read(*handle, {static_cast<std::byte*>(buffer), buffer_size}, bytes_read, timeout_ms); });
}

thread_local std::string last_error;

/// NULL: `last_error` says why.
ESHMHandle* init(const ESHMConfig* config, std::uint32_t attach_timeout_ms) noexcept {
  last_error.clear();
  try {
    return sluice::libeshm::open_handle(config, attach_timeout_ms);
  } catch (const std::exception& error) {
    try {
      last_error = error.what();
    } catch (...) {
      last_error = "no memory";  // short enough to need none
    }
    return nullptr;
  }
}

void fill(ESHMStats& stats, const ChannelStats& from) noexcept {
  stats.master_heartbeat = from.master_heartbeat;
  stats.slave_heartbeat = from.slave_heartbeat;
  stats.master_pid = static_cast<pid_t>(from.master_pid);
  stats.slave_pid = static_cast<pid_t>(from.slave_pid);
  stats.master_alive = from.master_alive;
  stats.slave_alive = from.slave_alive;
  stats.stale_threshold = from.stale_threshold_ms;
  stats.master_heartbeat_delta = from.master_heartbeat_delta;
  stats.slave_heartbeat_delta = from.slave_heartbeat_delta;
  stats.m2s_write_count = from.master_to_slave.write_count;
  stats.m2s_read_count = from.master_to_slave.read_count;
  stats.s2m_write_count = from.slave_to_master.write_count;
  stats.s2m_read_count = from.slave_to_master.read_count;
}

}  // namespace

extern "C" {

ESHMHandle* eshm_init(const ESHMConfig* config) {
  ESHMHandle* const handle = init(config, 0);
  if (handle == nullptr) ::dprintf(STDERR_FILENO, "eshm: %s\n", last_error.c_str());  // NULL alone would not say why
  return handle;
}

ESHMHandle* eshm_init_wait(const ESHMConfig* config, uint32_t attach_timeout_ms) {
  return init(config, attach_timeout_ms);
}

const char* eshm_last_error(void) { return last_error.c_str(); }

int eshm_destroy(ESHMHandle* handle) {
  if (handle == nullptr) return ESHM_ERROR_INVALID_PARAM;
  if (!usable(*handle)) return ESHM_ERROR_NOT_INITIALIZED;
  return guarded(
      [&] { return int{sluice::libeshm::close_handle(*handle) ? ESHM_SUCCESS : ESHM_ERROR_NOT_INITIALIZED}; });
}

int eshm_write(ESHMHandle* handle, const void* data, size_t size) {
  if (handle == nullptr || data == nullptr) return ESHM_ERROR_INVALID_PARAM;
  if (!usable(*handle)) return ESHM_ERROR_NOT_INITIALIZED;
  return guarded([&] {
    using sluice::eshm::WriteStatus;
    const std::lock_guard lock(handle->writing);
    if (!handle->channel) return int{ESHM_ERROR_NOT_INITIALIZED};
    switch (handle->channel->write({static_cast<const std::byte*>(data), size})) {
      case WriteStatus::ok: return int{ESHM_SUCCESS};
      case WriteStatus::too_large: return int{ESHM_ERROR_BUFFER_TOO_SMALL};
      case WriteStatus::disconnected: break;
    }
    return int{ESHM_ERROR_TIMEOUT};
  });
}

int eshm_read(ESHMHandle* handle, void* buffer, size_t buffer_size) {
  std::size_t bytes = 0;
  const int code = checked_read(handle, buffer, buffer_size, bytes, kDefaultTimeout);
  return code == ESHM_SUCCESS ? static_cast<int>(bytes) : code;
}

int eshm_read_ex(ESHMHandle* handle, void* buffer, size_t buffer_size, size_t* bytes_read, uint32_t timeout_ms) {
  std::size_t nobody_asks = 0;
  return checked_read(handle, buffer, buffer_size, bytes_read == nullptr ? nobody_asks : *bytes_read, timeout_ms);
}

int eshm_update_heartbeat(ESHMHandle* handle) {
  if (handle == nullptr) return ESHM_ERROR_INVALID_PARAM;
  return ask(handle, [](Channel& channel) { channel.beat(); });
}

int eshm_check_remote_alive(ESHMHandle* handle, bool* is_alive) {
  if (handle == nullptr || is_alive == nullptr) return ESHM_ERROR_INVALID_PARAM;
  return ask(handle, [&](Channel& channel) { *is_alive = channel.remote_alive(); });
}

int eshm_get_stats(ESHMHandle* handle, ESHMStats* stats) {
  if (handle == nullptr || stats == nullptr) return ESHM_ERROR_INVALID_PARAM;
  return ask(handle, [&](Channel& channel) { fill(*stats, channel.stats()); });
}

int eshm_get_books(ESHMHandle* handle, ESHMBooks* books) {
  if (handle == nullptr || books == nullptr) return ESHM_ERROR_INVALID_PARAM;
  return ask(handle, [&](Channel& channel) {
    const ChannelStats stats = channel.stats();
    *books = {stats.written, stats.received, stats.conflated, stats.interrupted, stats.reconnects};
  });
}

int eshm_get_role(ESHMHandle* handle, enum ESHMRole* role) {
  if (handle == nullptr || role == nullptr) return ESHM_ERROR_INVALID_PARAM;
  return ask(handle, [&](Channel& channel) {
    *role = channel.side() == sluice::eshm::Side::master ? ESHM_ROLE_MASTER : ESHM_ROLE_SLAVE;
  });
}

int eshm_set_wakeup_mode(ESHMHandle* handle, enum ESHMWakeupMode mode) {
  const std::uint32_t number = sluice::libeshm::number_in(mode);
  if (handle == nullptr || number > ESHM_WAKEUP_POLL) return ESHM_ERROR_INVALID_PARAM;
  using sluice::eshm::Waiting;
  return ask(handle, [&](Channel& channel) {
    channel.set_waiting(number == ESHM_WAKEUP_POLL ? Waiting::poll : Waiting::wake);
  });
}

int eshm_get_wakeup_mode(ESHMHandle* handle, enum ESHMWakeupMode* mode) {
  if (handle == nullptr || mode == nullptr) return ESHM_ERROR_INVALID_PARAM;
  return ask(handle, [&](Channel& channel) {
    *mode = channel.waiting() == sluice::eshm::Waiting::poll ? ESHM_WAKEUP_POLL : ESHM_WAKEUP_PUSH;
  });
}

const char* eshm_error_string(int error_code) {
  switch (error_code) {
    case ESHM_SUCCESS: return "success";
    case ESHM_ERROR_INVALID_PARAM: return "invalid parameter";
    case ESHM_ERROR_SHM_CREATE: return "cannot create the shared memory";
    case ESHM_ERROR_SHM_ATTACH: return "cannot attach to the shared memory";
    case ESHM_ERROR_SHM_DETACH: return "cannot detach from the shared memory";
    case ESHM_ERROR_SHM_DELETE: return "cannot delete the shared memory";
    case ESHM_ERROR_MUTEX_INIT: return "cannot initialise a mutex";
    case ESHM_ERROR_MUTEX_LOCK: return "cannot lock a mutex";
    case ESHM_ERROR_MUTEX_UNLOCK: return "cannot unlock a mutex";
    case ESHM_ERROR_NO_DATA: return "no data available";
    case ESHM_ERROR_TIMEOUT: return "timeout";
    case ESHM_ERROR_MASTER_STALE: return "the other side is stale";
    case ESHM_ERROR_BUFFER_FULL: return "buffer full";
    case ESHM_ERROR_BUFFER_TOO_SMALL: return "buffer too small";
    case ESHM_ERROR_NOT_INITIALIZED: return "not initialised";
    case ESHM_ERROR_ROLE_MISMATCH: return "role mismatch";
    default: return "unknown error";
  }
}

}  // extern "C"
