#pragma once

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <span>
#include <stdexcept>

namespace sluice::stress {

/// A payload whose copying kills or stops the process in the middle: random signals hit the few instructions between
/// reserving and publishing too rarely. The second half lies on a page that faults when armed; the handler is the fate.
class DeadlyBuffer {
 public:
  DeadlyBuffer() {
    void* pages = ::mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) throw std::runtime_error("mmap failed");
    pages_ = static_cast<std::byte*>(pages);
    current() = this;
    struct sigaction action {};
    action.sa_handler = &on_fault;
    ::sigaction(SIGSEGV, &action, nullptr);
  }
  ~DeadlyBuffer() { ::munmap(pages_, 2 * kPage); }
  DeadlyBuffer(const DeadlyBuffer&) = delete;
  DeadlyBuffer& operator=(const DeadlyBuffer&) = delete;

  /// `length` bytes, half of them on the second page.
  [[nodiscard]] std::span<std::byte> bytes(std::size_t length) const { return {pages_ + kPage - length / 2, length}; }

  /// From now on reading the second half is answered with `signal`. After SIGSTOP and SIGCONT the bytes can be read.
  void arm(int signal) {
    signal_ = signal;
    ::mprotect(pages_ + kPage, kPage, PROT_NONE);
  }

 private:
  static constexpr std::size_t kPage = 4096;
  static DeadlyBuffer*& current() {
    static DeadlyBuffer* instance = nullptr;
    return instance;
  }
  static void on_fault(int) {
    DeadlyBuffer* self = current();
    const int fate = self->signal_;
    if (fate == 0) ::signal(SIGSEGV, SIG_DFL);  // not ours: let it crash
    self->signal_ = 0;
    if (fate != 0) ::kill(::getpid(), fate);
    if (fate != 0) ::mprotect(self->pages_ + kPage, kPage, PROT_READ | PROT_WRITE);
  }

  std::byte* pages_ = nullptr;
  int signal_ = 0;
};

}  // namespace sluice::stress
