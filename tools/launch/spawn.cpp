#include "spawn.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sluice/error.hpp>

#include "pidfd.hpp"

namespace sluice::launch {

namespace {

struct Pipe {
  shm::UniqueFd reading;
  shm::UniqueFd writing;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw SystemError("cannot create a pipe", errno);
  return {shm::UniqueFd(ends[0]), shm::UniqueFd(ends[1])};
}

void make_non_blocking(const shm::UniqueFd& fd) { ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK); }

/// Strings in the form execve wants, built before fork: after it, memory must not be allocated.
class StringArray {
 public:
  explicit StringArray(std::vector<std::string> strings) : strings_(std::move(strings)) {
    for (std::string& string : strings_) pointers_.push_back(string.data());
    pointers_.push_back(nullptr);
  }
  StringArray(const StringArray&) = delete;
  StringArray& operator=(const StringArray&) = delete;
  [[nodiscard]] char* const* get() const { return pointers_.data(); }

 private:
  std::vector<std::string> strings_;
  std::vector<char*> pointers_;
};

std::vector<std::string> environment_of(const PlannedProcess& process) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::string name(text.substr(0, text.find('=')));
    if (process.environment.count(name) == 0 && process.without_environment.count(name) == 0) {
      result.emplace_back(text);
    }
  }
  for (const auto& [name, value] : process.environment) result.push_back(name + "=" + value);
  return result;
}

std::vector<std::string> argv_of(const PlannedProcess& process) {
  std::vector<std::string> argv{process.program};
  argv.insert(argv.end(), process.arguments.begin(), process.arguments.end());
  return argv;
}

enum class Step : int { directory, program };

struct Failure {
  Step step;
  int error;
};

struct ChildSetup {
  pid_t parent;
  int input;
  int output;
  int errors;
  int report;
  const char* directory;  ///< nullptr: stay.
  const char* program;
  char* const* argv;
  char* const* environment;
};

[[noreturn]] void fail_in_child(const ChildSetup& setup, Step step) {
  const Failure failure{step, errno};
  [[maybe_unused]] const ssize_t written = ::write(setup.report, &failure, sizeof failure);
  ::_exit(127);
}

// Runs between fork and exec of a process with threads: async-signal-safe calls only. All signals are blocked until the
// end, because a handler that ran here would write into pipes that we share with the parent.
[[noreturn]] void become_program(const ChildSetup& setup) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != setup.parent) ::_exit(127);  // It ended before prctl: no signal will come.
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  ::dup2(setup.input, STDIN_FILENO);
  ::dup2(setup.output, STDOUT_FILENO);
  ::dup2(setup.errors, STDERR_FILENO);
  // Also what our own caller left open for us is none of the program's business.
  ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  if (setup.directory != nullptr && ::chdir(setup.directory) != 0) fail_in_child(setup, Step::directory);
  sigset_t none;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  ::execve(setup.program, setup.argv, setup.environment);
  fail_in_child(setup, Step::program);
}

pid_t fork_with_signals_blocked(const ChildSetup& setup) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0) become_program(setup);
  const int error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return pid;
}

// The pipe closes by itself when exec succeeds.
void throw_if_failed(const shm::UniqueFd& report, pid_t pid, const PlannedProcess& process) {
  Failure failure{};
  ssize_t size = 0;
  do {
    size = ::read(report.get(), &failure, sizeof failure);
  } while (size < 0 && errno == EINTR);
  if (size != static_cast<ssize_t>(sizeof failure)) return;
  ::waitpid(pid, nullptr, 0);
  const std::string& subject = failure.step == Step::program ? process.program : process.directory;
  throw SystemError((failure.step == Step::program ? "cannot execute '" : "cannot enter '") + subject + "'",
                    failure.error);
}

}  // namespace

Spawned spawn(const PlannedProcess& process) {
  const StringArray argv(argv_of(process));
  const StringArray environment(environment_of(process));
  const shm::UniqueFd input(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!input.valid()) throw SystemError("cannot open '/dev/null'", errno);
  Pipe output = make_pipe();
  Pipe errors = make_pipe();
  Pipe report = make_pipe();
  const ChildSetup setup{::getpid(),
                         input.get(),
                         output.writing.get(),
                         errors.writing.get(),
                         report.writing.get(),
                         process.directory.empty() ? nullptr : process.directory.c_str(),
                         process.program.c_str(),
                         argv.get(),
                         environment.get()};
  Spawned spawned;
  spawned.pid = fork_with_signals_blocked(setup);
  if (spawned.pid < 0) throw SystemError("cannot fork", errno);
  report.writing.reset();
  throw_if_failed(report.reading, spawned.pid, process);
  spawned.exit = shm::UniqueFd(open_pidfd(spawned.pid));
  if (!spawned.exit.valid()) {
    const int error = errno;
    ::kill(spawned.pid, SIGKILL);
    ::waitpid(spawned.pid, nullptr, 0);
    throw SystemError("cannot watch process " + std::to_string(spawned.pid), error);
  }
  make_non_blocking(output.reading);
  make_non_blocking(errors.reading);
  spawned.output = std::move(output.reading);
  spawned.errors = std::move(errors.reading);
  return spawned;
}

}  // namespace sluice::launch
