#include "node/signals.hpp"

#include <signal.h>

#include <array>
#include <atomic>
#include <mutex>

#include <sluice/error.hpp>
#include <sluice/executor.hpp>

namespace sluice {

namespace {

std::atomic<bool> received{false};

/// Read by the signal handler, so: fixed size, no locks.
std::array<std::atomic<shm::WaitSet*>, 256> watched{};

extern "C" void on_termination_signal(int /*number*/) {
  received.store(true, std::memory_order_seq_cst);
  for (auto& set : watched) {
    if (shm::WaitSet* found = set.load(std::memory_order_seq_cst)) found->interrupt();
  }
}

}  // namespace

bool signal_received() noexcept { return received.load(std::memory_order_seq_cst); }

namespace detail {

void handle_termination_signals() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_handler = &on_termination_signal;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    ::sigemptyset(&action.sa_mask);
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
  });
}

SignalWatch::SignalWatch(shm::WaitSet& set) : slot_(0) {
  for (; slot_ < watched.size(); ++slot_) {
    shm::WaitSet* expected = nullptr;
    if (watched[slot_].compare_exchange_strong(expected, &set)) return;
  }
  throw Error("more than " + std::to_string(watched.size()) + " executors in one process");
}

SignalWatch::~SignalWatch() { watched[slot_].store(nullptr, std::memory_order_seq_cst); }

}  // namespace detail

}  // namespace sluice
