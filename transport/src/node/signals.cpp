#include "node/signals.hpp"

#include <signal.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

#include <sluice/error.hpp>
#include <sluice/executor.hpp>
#include <sluice/shm/deadline.hpp>

namespace sluice {

namespace {

std::atomic<bool> received{false};

/// Read by the signal handler, so: fixed size, no locks.
std::array<std::atomic<shm::WaitSet*>, 256> watched{};

/// One Ctrl-C often arrives twice at once: at the whole process group, and forwarded by a wrapper (timeout, the init of
/// a container). Such an echo must not kill a process that is just leaving in order.
constexpr std::int64_t kEchoNs = 250'000'000;

std::atomic<std::int64_t> first_interrupt_ns{0};
std::atomic<std::int64_t> first_termination_ns{0};

void end_all() noexcept {
  received.store(true, std::memory_order_seq_cst);
  for (auto& set : watched) {
    if (shm::WaitSet* found = set.load(std::memory_order_seq_cst)) found->interrupt();
  }
}

extern "C" void on_termination_signal(int number) {
  const std::int64_t now = shm::monotonic_ns();
  std::int64_t first = 0;
  auto& first_ns = number == SIGINT ? first_interrupt_ns : first_termination_ns;
  if (!first_ns.compare_exchange_strong(first, now) && now - first > kEchoNs) {
    ::signal(number, SIG_DFL);
    ::raise(number);  // blocked in here, so it takes effect when we return
    return;
  }
  end_all();
}

}  // namespace

bool signal_received() noexcept { return received.load(std::memory_order_seq_cst); }

namespace detail {

void handle_termination_signals() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_handler = &on_termination_signal;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
  });
}

void request_termination() noexcept { end_all(); }

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
