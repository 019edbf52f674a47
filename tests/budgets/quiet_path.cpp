#include "budgets/quiet_path.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "support/temporary_directory.hpp"

// Every allocation of this program passes here: the C++ operators call malloc, and a program's own definition comes
// before the C library's. Only the thread that watches is counted.
namespace {
thread_local bool watching = false;
thread_local long allocations = 0;
}  // namespace

extern "C" {
// NOLINTBEGIN: names that the C library chose
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
void __libc_free(void* memory);

__attribute__((visibility("default"))) void* malloc(std::size_t size) {
  if (watching) ++allocations;
  return __libc_malloc(size);
}
__attribute__((visibility("default"))) void* calloc(std::size_t count, std::size_t size) {
  if (watching) ++allocations;
  return __libc_calloc(count, size);
}
__attribute__((visibility("default"))) void* realloc(void* memory, std::size_t size) {
  if (watching) ++allocations;
  return __libc_realloc(memory, size);
}
__attribute__((visibility("default"))) void* aligned_alloc(std::size_t alignment, std::size_t size) {
  if (watching) ++allocations;
  return __libc_memalign(alignment, size);
}
__attribute__((visibility("default"))) void free(void* memory) {
  if (watching && memory != nullptr) ++allocations;
  __libc_free(memory);
}
// NOLINTEND
}

namespace sluice::budgets {

namespace {

constexpr int kWarm = 64;       ///< Less than a lap: cells that nobody has touched yet are part of what is watched.
constexpr int kBatch = 64;      ///< Published before as many are taken: no publisher waits, no reader finds nothing.
constexpr int kLaps = 4;        ///< The slow paths, once in a quarter of a lap, are watched as well.
constexpr int kPlantAt = 1000;  ///< Somewhere in the middle.

/// What the child found; in memory that the parent maps too, for the child may die of it.
struct Findings {
  long allocations;
  long page_faults;
  int system_call;  ///< 0: none (its number on x86-64 is `read`, which nobody plants).
  bool completed;
};

Findings* findings = nullptr;

long page_faults_so_far() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_minflt + usage.ru_majflt;
}

/// Delivered by the filter instead of the system call.
void report_system_call(int /*signal*/, siginfo_t* info, void* /*context*/) {
  findings->system_call = info->si_syscall;
  ::_exit(1);
}

/// From here on this thread may end the process and read the clock: on machines whose clock cannot be read from user
/// space, that is a system call, which is the machine's fault. Anything else arrives in report_system_call.
void forbid_system_calls() {
  struct sigaction action {};
  action.sa_sigaction = report_system_call;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGSYS, &action, nullptr);
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
    fail("cannot forbid system calls (seccomp): " + std::string(std::strerror(errno)));
  }
}

void* fresh_page() { return ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }

void do_planted(Plant plant, void* page) {
  switch (plant) {
    case Plant::allocation: ::operator delete(::operator new(100)); break;
    case Plant::system_call: ::syscall(SYS_getppid); break;
    case Plant::page_fault: *static_cast<volatile char*>(page) = 1; break;
    case Plant::none:
    case Plant::instructions: break;
  }
}

void run(Subject& subject, int messages, Plant plant, void* page) {
  for (int done = 0; done < messages; done += kBatch) {
    for (int i = 0; i < kBatch / 2; ++i) subject.publish();
    for (int i = 0; i < kBatch / 2; ++i) subject.publish_loan();
    if (done / kBatch == kPlantAt / kBatch) do_planted(plant, page);
    for (int i = 0; i < kBatch; ++i) subject.take();
  }
}

/// Twice over the same number of laps: counting allocations and page faults, then without the right to make a system
/// call, which asking for the number of page faults would be.
[[noreturn]] void watch(const Kind& kind, const std::string& directory, Plant plant) {
  const auto subject = kind.open(directory);
  run(*subject, kWarm, Plant::none, nullptr);
  void* const page = fresh_page();
  (void)page_faults_so_far();

  const long faults_before = page_faults_so_far();
  watching = true;
  run(*subject, kLaps * kDepth, plant == Plant::system_call ? Plant::none : plant, page);
  watching = false;
  findings->page_faults = page_faults_so_far() - faults_before;
  findings->allocations = allocations;

  forbid_system_calls();
  run(*subject, kLaps * kDepth, plant == Plant::system_call ? plant : Plant::none, page);
  findings->completed = true;
  ::_exit(0);  // no destructor may run any more; the directory goes with the parent's
}

}  // namespace

bool hot_path_is_quiet(const Kind& kind, Plant plant) {
  const test::TemporaryDirectory directory;
  void* memory = ::mmap(nullptr, sizeof(Findings), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail("no memory");
  findings = static_cast<Findings*>(memory);
  const pid_t child = ::fork();
  if (child < 0) fail("cannot fork");
  if (child == 0) watch(kind, directory.path(), plant);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  const Findings found = *findings;
  ::munmap(memory, sizeof(Findings));
  const auto report = [&](const char* what, long number) {
    std::fprintf(stderr, "hot_path: %s: %s: %ld\n", kind.name, what, number);
  };
  if (found.allocations != 0) report("allocations or deallocations", found.allocations);
  if (found.page_faults != 0) report("page faults", found.page_faults);
  if (found.system_call != 0) report("made system call number", found.system_call);
  if (!found.completed && found.system_call == 0) report("did not come to its end; wait status", status);
  return found.completed && found.allocations == 0 && found.page_faults == 0;
}

}  // namespace sluice::budgets
