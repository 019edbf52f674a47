#include "guard.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>

#include <sluice/error.hpp>

#include "descendants.hpp"

// Who dies with whom:
//
//   guard       child subreaper. Outlives the supervisor, kills and reaps what is left.
//     supervisor  child subreaper too: if the guard is killed first, orphans must not have gone to init already.
//                 Gets kGuardDiedSignal when the guard dies, ends orderly but quickly, kills and reaps what is left.
//       nodes       get SIGKILL from the kernel when the supervisor dies, so also when both are killed at once.
//         their descendants, also setsid and double-forked ones: killed by whichever of the two is left.

namespace sluice::launch {

namespace {

sigset_t forwarded_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    struct sigaction current {};
    ::sigaction(signal, nullptr, &current);
    // nohup: then a hang-up is not meant for us. SIGINT is not treated like that, because shells start background jobs
    // of scripts with SIGINT ignored, and `kill -INT` must work on those.
    if (signal == SIGHUP && current.sa_handler == SIG_IGN) continue;
    ::sigaddset(&set, signal);
  }
  return set;
}

[[noreturn]] void become_supervisor(const std::function<int(pid_t)>& supervise, pid_t guard) {
  // A group of its own: Ctrl-C in the terminal reaches the guard only, and arrives here once, forwarded.
  ::setpgid(0, 0);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::prctl(PR_SET_PDEATHSIG, kGuardDiedSignal);
  if (::getppid() != guard) ::_exit(128 + SIGKILL);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGTTOU, SIG_IGN);  // As a background group we may still write to a terminal with `stty tostop`.
  int code = 1;
  try {
    code = supervise(guard);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sluice launch: %s\n", error.what());
  }
  ::_exit(code);
}

int wait_for_supervisor(pid_t supervisor, const sigset_t& awaited) {
  while (true) {
    const int signal = ::sigwaitinfo(&awaited, nullptr);
    if (signal > 0 && signal != SIGCHLD) ::kill(supervisor, signal);
    int status = 0;
    for (pid_t ended = 0; (ended = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      if (ended != supervisor) continue;
      return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
  }
}

}  // namespace

int run_guarded(const std::function<int(pid_t guard)>& supervise) {
  sigset_t awaited = forwarded_signals();
  ::sigaddset(&awaited, SIGCHLD);
  sigset_t blocked = awaited;
  ::sigaddset(&blocked, kGuardDiedSignal);
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  ::signal(SIGCHLD, SIG_DFL);  // Ignored, as some callers leave it, children would vanish without a status.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const pid_t guard = ::getpid();
  const pid_t supervisor = ::fork();
  if (supervisor < 0) {
    const int error = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw SystemError("cannot fork", error);
  }
  if (supervisor == 0) become_supervisor(supervise, guard);
  const int code = wait_for_supervisor(supervisor, awaited);
  kill_descendants([](const Descendant&) {});
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return code;
}

}  // namespace sluice::launch
