#pragma once

#include <signal.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include <sluice/shm/file_lock.hpp>

namespace sluice::shm {

/// Starts a thread that no signal is delivered to: they are for the threads of the program. Throws std::system_error.
template <typename Body>
[[nodiscard]] std::thread start_service_thread(Body body) {
  struct WithoutSignals {
    WithoutSignals() noexcept {
      sigset_t all;
      ::sigfillset(&all);
      ::pthread_sigmask(SIG_SETMASK, &all, &before);
    }
    WithoutSignals(const WithoutSignals&) = delete;
    WithoutSignals& operator=(const WithoutSignals&) = delete;
    ~WithoutSignals() { ::pthread_sigmask(SIG_SETMASK, &before, nullptr); }
    sigset_t before{};
  } without_signals;
  return std::thread(std::move(body));
}

/// The process's one Service, made when it is first asked for and destroyed with its last user; a forked child gets one
/// of its own, because threads do not come along. nullptr: its thread could not be started.
template <typename Service>
[[nodiscard]] std::shared_ptr<Service> process_service() {
  static std::mutex mutex;
  static std::weak_ptr<Service> shared;
  static std::uint32_t generation = fork_generation();
  const std::lock_guard lock(mutex);
  const bool inherited = generation != fork_generation();
  if (auto service = shared.lock(); service && !inherited) return service;
  try {
    auto service = std::make_shared<Service>();
    shared = service;
    generation = fork_generation();
    return service;
  } catch (const std::system_error&) {
    return nullptr;
  }
}

}  // namespace sluice::shm
