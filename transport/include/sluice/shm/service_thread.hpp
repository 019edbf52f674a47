#pragma once

#include <signal.h>

#include <thread>
#include <utility>

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

}  // namespace sluice::shm
