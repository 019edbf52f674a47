#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "asio.hpp"
#include "child.hpp"
#include "console.hpp"
#include "plan.hpp"
#include "readiness.hpp"
#include "restarts.hpp"

namespace sluice::launch {

/// Starts what a plan says, prints its output, and ends it in an orderly way. One thread, one event loop.
///
/// A launch ends when the first of these happens:
///   1. all processes have ended, and no step of the plan is still to come;
///   2. a required process has ended, with whatever code;
///   3. the time of `for:` is over;
///   4. SIGINT, SIGTERM, SIGHUP or SIGQUIT arrives;
///   5. our stdout cannot be written any more;
///   6. the guard has died;
///   7. a `shutdown` of the plan is carried out.
/// A process with `respawn` is started anew until then, or until it has ended too often.
/// In the end every process still there gets SIGINT, after `sigterm_after` SIGTERM, after `sigkill_after` more SIGKILL;
/// another signal from outside goes to the next of these at once. What remains below us when the processes have ended
/// is killed.
///
/// The exit code. A process has *failed* if it ended with a code other than 0 or by a signal, unless that is a signal
/// which the launcher had sent (exit code 128 + signal counts as that signal). Failing to start is failing with 126.
///   in case 4: 128 + the signal, 130 for Ctrl-C; in case 5: 141 (128 + SIGPIPE); in case 6: 137 (128 + SIGKILL);
///   in case 2: the required process' code, or 128 + its signal, if that is not 0;
///   otherwise: the code of the first process that failed, during the shutdown too, as a shell counts; 0 if none did.
class Supervisor {
 public:
  Supervisor(const Plan& plan, pid_t guard);
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  /// Returns the exit code of the launch. The object must not be destroyed before the process exits (see Console).
  int run();

 private:
  enum class Stage { running, interrupting, terminating, killing, finishing };
  static constexpr int kNoCode = -1;
  static constexpr int kCannotStartCode = 126;
  struct Attempts;
  struct Waiting;

  /// `position` counts in the order of the delays.
  void start_from(std::size_t position);
  void carry_out(const PlannedStep& step);
  void start_run_timer();
  void start(const PlannedProcess& process);
  [[nodiscard]] Attempts& attempts_of(const PlannedProcess& process);
  [[nodiscard]] bool start_anew(const PlannedProcess& process, const Ending& ending);
  void on_end(const Child& child, const Ending& ending);
  void tell_ending(const Child& child, const Ending& ending);
  void fail_with(int code);

  void start_when_ready(const PlannedProcess& process);
  void look_for_readiness();
  void consider(const Waiting& waiting);
  [[nodiscard]] bool is_there(const Awaited& awaited) const;
  [[nodiscard]] bool is_over(const PlannedStep& step) const;
  void give_up(const PlannedProcess& process, const std::string& why);

  void wait_for_signal();
  void on_signal(int signal);
  void on_guard_death();
  void reap_orphans();

  void begin_shutdown(int code, const std::string& why);
  void escalate();
  void enter(Stage stage, int signal, std::chrono::nanoseconds patience);
  void complain_about_survivors();
  void finish_if_done();
  void finish();
  void after(std::chrono::nanoseconds delay, void (Supervisor::*then)());

  const Plan& plan_;
  const pid_t guard_;
  asio::io_context io_;
  asio::signal_set signals_;
  asio::steady_timer run_timer_;
  asio::steady_timer step_timer_;
  asio::steady_timer look_timer_;
  asio::steady_timer stage_timer_;
  Console console_;
  std::vector<std::unique_ptr<Child>> children_;  ///< Also ended ones, as long as something may come out of them.

  /// The starts of one process.
  struct Attempts {
    std::size_t index;  ///< Of the process in the launch.
    Restarts restarts;
    Restarts::Time started;
    asio::steady_timer pause;
    bool ended_well = false;  ///< With 0, at least once.
    bool over = false;        ///< It has ended and is not started anew, or was given up.
  };
  struct Waiting {
    const PlannedProcess* process;
    std::chrono::steady_clock::time_point until;
  };
  std::map<const PlannedProcess*, Attempts> attempts_;
  std::size_t pausing_ = 0;  ///< Processes that are to be started anew.
  std::vector<Waiting> waiting_;
  std::optional<Readiness> readiness_;  ///< When somebody has waited.

  std::vector<std::size_t> order_;  ///< The plan's steps, sorted by delay.
  std::size_t immediate_ = 0;       ///< How many of them have none.
  std::chrono::steady_clock::time_point begin_;
  std::size_t live_ = 0;
  bool all_started_ = false;
  bool hurried_ = false;  ///< By a signal or the loss of guard or reader: an unread stdout is given up after a while.
  Stage stage_ = Stage::running;
  int decided_code_ = kNoCode;  ///< By what ended the launch; kNoCode leaves it to failure_code_.
  int failure_code_ = 0;        ///< Of the first process that failed.
  std::chrono::nanoseconds sigterm_after_;
  std::chrono::nanoseconds sigkill_after_;
};

}  // namespace sluice::launch
