#pragma once

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>

#include <sluice/shm/atomic.hpp>

namespace sluice::test {

/// A payload that stops whoever copies it: its second page may not be read, and the fault handler parks the copying
/// thread until `let_go`. So a publisher is caught between reserving its position and publishing it, in the middle of
/// the copy, without a line of test code in the publisher. Shared memory: also works across a fork. One at a time.
class TrappedPayload {
 public:
  TrappedPayload() {
    void* pages = ::mmap(nullptr, 3 * page(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) throw std::runtime_error("mmap failed");
    state_ = ::new (pages) State{};
    text_ = static_cast<std::byte*>(pages) + page();
    std::memset(text_, 'T', 2 * page());
    ::mprotect(text_ + page(), page(), PROT_NONE);
    current() = this;
    struct sigaction action {};
    action.sa_sigaction = &on_fault;
    action.sa_flags = SA_SIGINFO;
    ::sigaction(SIGSEGV, &action, &before_);
  }
  ~TrappedPayload() {
    ::sigaction(SIGSEGV, &before_, nullptr);
    current() = nullptr;
    ::munmap(state_, 3 * page());
  }
  TrappedPayload(const TrappedPayload&) = delete;
  TrappedPayload& operator=(const TrappedPayload&) = delete;

  /// 64 bytes, all 'T', half of them behind the trap.
  [[nodiscard]] std::span<const std::byte> bytes() const { return {text_ + page() - 32, 64}; }

  [[nodiscard]] bool sprung() const { return state_->sprung.load_acquire() != 0; }
  void let_go() { state_->released.store_release(1); }

 private:
  struct State {
    shm::SharedAtomic<std::uint32_t> sprung;
    shm::SharedAtomic<std::uint32_t> released;
  };
  static std::size_t page() { return 4096; }
  static TrappedPayload*& current() {
    static TrappedPayload* instance = nullptr;
    return instance;
  }

  /// Only calls that are safe in a signal handler. A fault elsewhere is a real one: the old handler gets it on return.
  static void on_fault(int, siginfo_t* info, void*) {
    TrappedPayload* self = current();
    auto* address = static_cast<std::byte*>(info->si_addr);
    if (self == nullptr || address < self->text_ + page() || address >= self->text_ + 2 * page()) {
      ::signal(SIGSEGV, SIG_DFL);
      return;
    }
    self->state_->sprung.store_release(1);
    const timespec pause{0, 100'000};
    while (self->state_->released.load_acquire() == 0) ::nanosleep(&pause, nullptr);
    ::mprotect(self->text_ + page(), page(), PROT_READ | PROT_WRITE);
  }

  State* state_ = nullptr;
  std::byte* text_ = nullptr;
  struct sigaction before_ {};
};

}  // namespace sluice::test
