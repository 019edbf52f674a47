#include "conformance/runner.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <sstream>

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/unique_fd.hpp>

#include "conformance/topic.hpp"

namespace sluice::conformance {

namespace {

volatile sig_atomic_t interrupted = 0;

void on_interrupt(int /*signal*/) { interrupted = 1; }

const char* word(Reliability reliability) { return reliability == Reliability::reliable ? "reliable" : "best_effort"; }

/// A domain's directory for one promise, in shared memory. Gone with this object, and with it what the transport keeps
/// elsewhere on purpose.
class Domain {
 public:
  explicit Domain(const std::vector<std::string>& remove) : remove_(remove) {
    if (::mkdtemp(path_.data()) == nullptr) throw SystemError("cannot make a directory in /dev/shm", errno);
  }
  ~Domain() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
    for (const std::string& file : remove_) std::filesystem::remove(with_unique_word(file, path_), ignored);
  }
  Domain(const Domain&) = delete;
  Domain& operator=(const Domain&) = delete;
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  const std::vector<std::string>& remove_;
  std::string path_ = "/dev/shm/sluice-conformance-XXXXXX";
};

struct Verdict {
  int code = 0;        ///< An exit code, 128 + a signal, or -1: hung.
  std::string output;  ///< What the process printed, without the line's end.
};

/// A file without a name for the output of one process.
shm::UniqueFd output_file() {
  shm::UniqueFd file(::open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!file.valid()) throw SystemError("cannot make a file in /dev/shm", errno);
  return file;
}

std::string content(int file) {
  std::string text;
  char part[4096];
  off_t at = 0;
  for (ssize_t got = 0; (got = ::pread(file, part, sizeof part, at)) > 0; at += got) {
    text.append(part, static_cast<std::size_t>(got));
  }
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

/// In the new process: alone in its group, so that whatever it starts can be ended with it.
[[noreturn]] void become(const Settings& settings, const std::vector<std::string>& more, int output) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  ::_exit(exec_again(settings, more));
}

/// False: it is still running when the patience is over, or we were interrupted.
bool wait_for_end(pid_t process, std::uint32_t patience) {
  const shm::UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
  const shm::Deadline deadline = shm::Deadline::after(std::chrono::seconds{patience});
  while (!deadline.passed() && interrupted == 0) {
    pollfd waiting{handle.get(), POLLIN, 0};
    if (::poll(&waiting, 1, 500) > 0) return true;
  }
  return false;
}

Verdict check_in_process(const Promise& promise, Reliability reliability, const Settings& settings) {
  const Domain domain(settings.remove);
  const shm::UniqueFd output = output_file();
  std::fflush(nullptr);
  const pid_t process = ::fork();
  if (process < 0) throw SystemError("cannot fork", errno);
  if (process == 0) become(settings, {"--here", promise.name, word(reliability), domain.path()}, output.get());
  ::setpgid(process, process);  // whoever of the two comes first
  const bool ended = wait_for_end(process, settings.patience);
  ::kill(-process, SIGKILL);
  int status = 0;
  while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return {ended ? code : -1, content(output.get())};
}

void print_line(const char* verdict, const Promise& promise, const std::string& text) {
  std::printf("  %-6s %-24s %s\n", verdict, promise.name.c_str(), text.c_str());
  std::fflush(stdout);
}

void print_failure(const Promise& promise, const Verdict& verdict, std::uint32_t patience) {
  print_line("FAILS", promise, promise.sentence);
  std::istringstream lines(verdict.output);
  for (std::string line; std::getline(lines, line);) std::printf("         %s\n", line.c_str());
  if (verdict.code == -1) std::printf("         still running after %u s\n", patience);
  if (verdict.code > 128) std::printf("         killed by signal %d\n", verdict.code - 128);
  std::fflush(stdout);
}

struct Count {
  int holds = 0;
  int fails = 0;
  int excluded = 0;
};

void run_one(const Promise& promise, Reliability reliability, const Settings& settings, Count& count) {
  const Verdict verdict = check_in_process(promise, reliability, settings);
  if (interrupted != 0) return;
  if (verdict.code == kHolds) {
    ++count.holds;
    print_line("holds", promise, promise.sentence);
  } else if (verdict.code == kNotCheckable) {
    ++count.excluded;
    print_line("n/a", promise, verdict.output);
  } else {
    ++count.fails;
    print_failure(promise, verdict, settings.patience);
  }
}

constexpr const char* kNowhere = "/dev/shm/sluice-conformance-nowhere";  // for questions that open nothing

/// The topic in one reliability; throws what the transport has against it.
TransportTraits traits_for(Settings settings, Reliability reliability) {
  settings.reliabilities = {reliability};
  settings.evicting = true;
  settings.directory = kNowhere;
  Topic topic(settings);
  topic.registry().check(topic.spec);
  return topic.traits();
}

/// Those that the command line says, or else those that the transport offers.
std::vector<Reliability> reliabilities(const Settings& settings) {
  if (!settings.reliabilities.empty()) return settings.reliabilities;
  Settings attempt = settings;
  attempt.reliabilities = {Reliability::reliable};
  attempt.directory = kNowhere;
  Topic topic(attempt);
  if (topic.traits().reliable) return {Reliability::best_effort, Reliability::reliable};
  return {Reliability::best_effort};
}

bool wanted(const Promise& promise, const Settings& settings) {
  return settings.only.empty() ||
         std::find(settings.only.begin(), settings.only.end(), promise.name) != settings.only.end();
}

void print_title(const Settings& settings, Reliability reliability, const TransportTraits& traits) {
  std::string names;
  for (const std::string& name : trait_names(traits)) names += (names.empty() ? "" : ", ") + name;
  std::printf("transport '%s', %s: %s\n", settings.transport.c_str(), word(reliability),
              names.empty() ? "no traits" : names.c_str());
}

void handle_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

int run_suite(const Suite& suite, const Settings& settings) {
  handle_interrupts();
  Count count;
  for (const Reliability reliability : reliabilities(settings)) {
    const TransportTraits traits = traits_for(settings, reliability);
    print_title(settings, reliability, traits);
    for (const Promise& promise : suite.promises()) {
      if (!wanted(promise, settings)) continue;
      const std::string reason = excluded_by(promise, traits, reliability, settings);
      if (reason.empty()) {
        run_one(promise, reliability, settings, count);
      } else {
        ++count.excluded;
        print_line("n/a", promise, reason);
      }
      if (interrupted != 0) return 128 + SIGINT;
    }
  }
  std::printf("%d hold, %d fail, %d not promised\n", count.holds, count.fails, count.excluded);
  return count.fails == 0 && count.holds > 0 ? kHolds : kBroken;
}

int list_suite(const Suite& suite, const Settings& settings) {
  for (const Reliability reliability : reliabilities(settings)) {
    const TransportTraits traits = traits_for(settings, reliability);
    print_title(settings, reliability, traits);
    for (const Promise& promise : suite.promises()) {
      const std::string reason = excluded_by(promise, traits, reliability, settings);
      print_line(reason.empty() ? "" : "n/a", promise, reason.empty() ? promise.sentence : reason);
    }
  }
  return kHolds;
}

int run_here(const Suite& suite, const Settings& settings) {
  try {
    Topic topic(settings);
    suite.find(settings.here)->check(topic);
    return kHolds;
  } catch (const Broken&) {
    return kBroken;  // it has printed itself
  } catch (const NotCheckable& reason) {
    std::printf("%s\n", reason.what());
    return kNotCheckable;
  } catch (const std::exception& error) {
    std::printf("unexpected error: %s\n", error.what());
    return kBroken;
  }
}

}  // namespace sluice::conformance
