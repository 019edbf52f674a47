#include "harness/two_sides.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <sluice/shm/deadline.hpp>

namespace sluice::bench {

namespace {

constexpr std::chrono::seconds kWatchdog{60};

cpu_set_t usable_set() noexcept {
  static const cpu_set_t set = [] {  // before anybody is pinned
    cpu_set_t usable;
    CPU_ZERO(&usable);
    ::sched_getaffinity(0, sizeof usable, &usable);
    return usable;
  }();
  return set;
}

/// Pins the calling thread to the n-th core that may be used; leaves it where it is when there are not that many.
void pin(std::size_t n) noexcept {
  const cpu_set_t usable = usable_set();
  for (std::size_t core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &usable) || n-- != 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    ::sched_setaffinity(0, sizeof one, &one);
    return;
  }
}

sigset_t supervised_signals() noexcept {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGCHLD, SIGINT, SIGTERM}) sigaddset(&set, signal);
  return set;
}

/// Runs one side in this thread; false and a message on stderr when it threw.
bool run_side(const Side& side, std::size_t core, Meeting& meeting) noexcept {
  pin(core);
  try {
    side(meeting);
    return true;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench: %s\n", error.what());
    return false;
  }
}

/// The forked sides of one run. Whoever still runs at the end of its life is killed.
class Children {
 public:
  Children() {
    usable_set();
    const sigset_t set = supervised_signals();
    ::sigprocmask(SIG_BLOCK, &set, &before_);
  }
  ~Children() {
    for (const pid_t pid : pids_) {
      ::kill(pid, SIGKILL);
      while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
  }
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;

  template <typename Body>
  void start(Body body) {
    std::fflush(nullptr);
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) throw RunFailed("cannot fork");
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::sigprocmask(SIG_SETMASK, &before_, nullptr);
      ::signal(SIGINT, SIG_IGN);  // the parent ends us
      ::_exit(::getppid() == parent && body() ? 0 : 1);
    }
    pids_.push_back(pid);
  }

  void wait_for_all() {
    const shm::Deadline watchdog = shm::Deadline::after(kWatchdog);
    const sigset_t set = supervised_signals();
    for (reap(); !pids_.empty(); reap()) {
      if (watchdog.passed())
        throw RunFailed("hung: a side has not ended after " + std::to_string(kWatchdog.count()) + " s");
      const timespec patience{1, 0};
      const int signal = ::sigtimedwait(&set, nullptr, &patience);
      if (signal == SIGINT || signal == SIGTERM) throw Interrupted();
    }
  }

 private:
  void reap() {
    for (std::size_t k = 0; k < pids_.size();) {
      int status = 0;
      if (::waitpid(pids_[k], &status, WNOHANG) != pids_[k]) {
        ++k;
        continue;
      }
      pids_.erase(pids_.begin() + static_cast<std::ptrdiff_t>(k));
      if (WIFSIGNALED(status)) throw RunFailed(std::string("a side was killed by ") + ::strsignal(WTERMSIG(status)));
      if (WEXITSTATUS(status) != 0) throw RunFailed("a side failed");
    }
  }

  sigset_t before_{};
  std::vector<pid_t> pids_;
};

}  // namespace

void Meeting::wait_for_the_other() noexcept {
  const std::uint32_t mine = arrivals_.fetch_add_acq_rel(1);
  const std::uint32_t both = mine / 2 * 2 + 2;
  while (arrivals_.load_acquire() < both) ::sched_yield();
}

SharedMemory::SharedMemory(std::size_t size) : size_(size) {
  void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (data == MAP_FAILED) throw std::bad_alloc();
  data_ = static_cast<std::byte*>(data);
}

SharedMemory::~SharedMemory() { ::munmap(data_, size_); }

Outcome run_two_sides(Placement placement, const Side& first, const Side& second) {
  const SharedMemory memory(sizeof(Meeting));
  auto& meeting = memory.as<Meeting>();
  Children children;
  if (placement == Placement::processes) {
    children.start([&] { return run_side(first, 0, meeting); });
    children.start([&] { return run_side(second, 1, meeting); });
  } else {
    children.start([&] {
      std::thread other([&] {
        if (!run_side(second, 1, meeting)) ::_exit(1);  // or the first would wait for it
      });
      if (!run_side(first, 0, meeting)) ::_exit(1);
      other.join();
      return true;
    });
  }
  children.wait_for_all();
  return meeting.outcome;
}

std::size_t usable_cores() noexcept {
  const cpu_set_t set = usable_set();
  return static_cast<std::size_t>(CPU_COUNT(&set));
}

}  // namespace sluice::bench
