#include "conformance/single_step.hpp"

#include <signal.h>
#include <ucontext.h>

#include <atomic>
#include <exception>
#include <thread>

#include <sluice/shm/deadline.hpp>

#include "conformance/expect.hpp"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace sluice::conformance {

struct OtherThread::State {
  std::function<void()> action;
  std::atomic<std::uint64_t> asked = 0;
  std::atomic<std::uint64_t> done = 0;
  std::atomic<bool> end = false;
  std::exception_ptr error;
  std::thread thread;
};

OtherThread::OtherThread(std::function<void()> action) : state_(std::make_unique<State>()) {
  state_->action = std::move(action);
  state_->thread = std::thread([&state = *state_] {
    for (;;) {
      state.asked.wait(state.done);
      if (state.end) return;
      try {
        state.action();
      } catch (...) {
        state.error = std::current_exception();
      }
      ++state.done;
    }
  });
}

OtherThread::~OtherThread() {
  state_->end = true;
  ++state_->asked;
  state_->asked.notify_one();
  state_->thread.join();
}

void OtherThread::act() noexcept {
  ++state_->asked;
  state_->asked.notify_one();
  const shm::Deadline patience = shm::Deadline::after(std::chrono::milliseconds{200});
  while (state_->done != state_->asked && !patience.passed()) ::sched_yield();
}

void OtherThread::join_action() {
  while (state_->done != state_->asked) std::this_thread::yield();
  if (state_->error) std::rethrow_exception(state_->error);
}

#if defined(__x86_64__)

namespace {

constexpr std::uint64_t kTrapFlag = 0x100;

std::uint64_t steps = 0;
std::uint64_t stop_after = 0;
OtherThread* acting = nullptr;

/// After every instruction. Stepping ends with the one that was wanted.
void on_step(int /*signal*/, siginfo_t* /*info*/, void* context) {
  if (++steps < stop_after) return;
  if (acting != nullptr) acting->act();
  acting = nullptr;
  auto& flags = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL];
  flags &= ~static_cast<greg_t>(kTrapFlag);
}

}  // namespace

bool meanwhile(std::uint64_t instruction, OtherThread& other, const std::function<void()>& action) {
  struct sigaction on_trap {};
  on_trap.sa_sigaction = on_step;
  on_trap.sa_flags = SA_SIGINFO | SA_RESTART;
  ::sigaction(SIGTRAP, &on_trap, nullptr);
  steps = 0;
  stop_after = instruction;
  acting = &other;
  __writeeflags(__readeflags() | kTrapFlag);
  action();
  __writeeflags(__readeflags() & ~kTrapFlag);
  const bool met = acting == nullptr;
  acting = nullptr;
  if (steps == 0) throw NotCheckable("this system does not let a process step through its instructions");
  other.join_action();
  return met;
}

#else

bool meanwhile(std::uint64_t /*instruction*/, OtherThread& /*other*/, const std::function<void()>& /*action*/) {
  throw NotCheckable("stepping through instructions is written for x86-64 only");
}

#endif

}  // namespace sluice::conformance
