#pragma once

#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <filesystem>
#include <thread>
#include <vector>

#include "stress/stress_support.hpp"
#include "support/child_process.hpp"
#include "support/temporary_directory.hpp"

namespace sluice::stress {

/// A child that can be waited for without blocking, so that the controller stays the watchdog.
struct Child {
  Child(std::uint32_t i, const std::function<int()>& body) : process(body), index(i), pid(process.pid()) {}

  /// Whether it has ended; then `code` says how.
  bool ended() {
    if (!done) {
      siginfo_t info{};
      const int flags = WEXITED | WNOHANG | WNOWAIT;
      if (::waitid(P_PID, static_cast<id_t>(process.pid()), &info, flags) == 0 && info.si_pid != 0) {
        code = process.wait();
        done = true;
      }
    }
    return done;
  }

  /// Whether it has stopped since the last call that said so.
  bool stopped() {
    siginfo_t info{};
    const int flags = WSTOPPED | WNOHANG;
    return !done && ::waitid(P_PID, static_cast<id_t>(process.pid()), &info, flags) == 0 && info.si_pid != 0;
  }

  /// Only while it has not been waited for: afterwards the number may be somebody else's.
  void signal(int number) {
    if (!ended()) process.kill(number);
  }

  test::ChildProcess process;
  std::uint32_t index;
  pid_t pid;  ///< Also after it has ended.
  bool done = false;
  int code = -1;
};

inline bool all_ended(std::vector<Child>& children, const Options& options) {
  return test::eventually(
      [&] {
        bool all = true;
        for (Child& child : children) all = child.ended() && all;
        return all;
      },
      std::chrono::seconds{options.watchdog});
}

}  // namespace sluice::stress
