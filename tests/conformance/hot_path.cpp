#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>

#include "conformance/suite.hpp"
#include "conformance/topic.hpp"

// What costs nothing while nobody sleeps: loan, publish, take, release.

namespace {

thread_local bool counting = false;
thread_local std::uint64_t allocations = 0;

void* allocate(std::size_t size, std::size_t alignment) noexcept {
  if (counting) ++allocations;
  const std::size_t whole = (size + alignment - 1) / alignment * alignment;
  return std::aligned_alloc(alignment, whole == 0 ? alignment : whole);
}

void* allocate_or_throw(std::size_t size, std::size_t alignment) {
  if (void* memory = allocate(size, alignment)) return memory;
  throw std::bad_alloc();
}

constexpr std::size_t kUsual = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

}  // namespace

// All of them, so that none is the runtime library's: plugins get these too.
void* operator new(std::size_t size) { return allocate_or_throw(size, kUsual); }
void* operator new[](std::size_t size) { return allocate_or_throw(size, kUsual); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size, kUsual); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return allocate(size, kUsual); }
void* operator new(std::size_t size, std::align_val_t a) { return allocate_or_throw(size, std::size_t(a)); }
void* operator new[](std::size_t size, std::align_val_t a) { return allocate_or_throw(size, std::size_t(a)); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace sluice::conformance {

namespace {

/// The hot path and nothing else: a round publishes by loan and by copy and takes both.
class HotPath {
 public:
  explicit HotPath(Topic& topic)
      : writer_(topic.writer()), reader_(topic.reader()), message_(topic.size()), latest_(topic.traits().latest_value) {
    // Pools and buffers grow in the first rounds, and cells are touched for the first time.
    run(4 * topic.spec.qos.depth);
  }

  /// Whether every message arrived.
  bool run(std::uint32_t rounds) noexcept {
    std::uint32_t taken = 0;
    for (std::uint32_t i = 0; i < rounds; ++i) {
      const LoanedBuffer loan = writer_->loan(message_.size());
      if (loan.data == nullptr) return false;
      std::memcpy(loan.data, message_.data(), message_.size());
      if (writer_->publish(loan, message_.size(), 1) != PublishResult::ok) return false;
      if (latest_) taken += take();
      if (writer_->publish_copy(message_, 1) != PublishResult::ok) return false;
      writer_->discard(writer_->loan(message_.size()));
      if (!latest_) taken += take();
      taken += take();
    }
    return taken == 2 * rounds;
  }

 private:
  std::uint32_t take() noexcept {
    const auto message = reader_->take();
    if (!message) return 0;
    if (!reader_->valid(*message)) return 0;
    reader_->release(*message);
    return 1;
  }

  std::unique_ptr<Writer> writer_;
  std::unique_ptr<Reader> reader_;
  std::vector<std::byte> message_;
  bool latest_;
};

void check_no_allocation(Topic& topic) {
  HotPath path(topic);
  allocations = 0;
  counting = true;
  const bool all = path.run(1000);
  counting = false;
  expect(all, "every message to arrive");
  expect_equal(allocations, 0U, "allocations in 2000 messages");
}

/// What a filtered process reports by its exit code.
enum Exit : int { kClean = 0, kMessagesMissing = 10, kNoFilter = 11, kSystemCall = 12 };

void on_forbidden_call(int /*signal*/, siginfo_t* info, void* /*context*/) {
  char text[] = "system call number 000 on the hot path\n";
  for (int digit = 21, number = info->si_syscall; digit >= 19; --digit, number /= 10) {
    text[digit] = static_cast<char>('0' + number % 10);
  }
  (void)!::write(STDOUT_FILENO, text, sizeof text - 1);
  ::_exit(kSystemCall);
}

/// From here on every system call but those that end us is a SIGSYS. Reading the clock is allowed: it is a call only
/// where the kernel cannot offer it without one. So is sigaltstack, which clang's address sanitizer calls before _exit.
bool forbid_system_calls() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sigaltstack, 5, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{static_cast<unsigned short>(std::size(filter)), filter};
  struct sigaction action {};
  action.sa_sigaction = on_forbidden_call;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGSYS, &action, nullptr);
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

void check_no_system_call(Topic& topic) {
  const pid_t child = ::fork();  // the filter cannot be taken off again
  if (child == 0) {
    HotPath path(topic);
    if (!forbid_system_calls()) ::_exit(kNoFilter);
    ::_exit(path.run(1000) ? kClean : kMessagesMissing);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (code == kNoFilter) throw NotCheckable("this system does not let a process filter its system calls");
  expect(code != kMessagesMissing, "every message to arrive");
  expect_equal(code, 0, "the exit code of a process without system calls");
}

}  // namespace

void add_hot_path(Suite& suite) {
  suite.add("no_allocation", "loan, publish, take and release allocate nothing", {}, check_no_allocation);
  suite.add("no_system_call", "loan, publish, take and release make no system call while nobody sleeps", {},
            check_no_system_call);
}

}  // namespace sluice::conformance
