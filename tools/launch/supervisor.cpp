#include "supervisor.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <utility>
#include <variant>

#include <sluice/error.hpp>
#include <sluice/units.hpp>

#include "descendants.hpp"
#include "guard.hpp"

namespace sluice::launch {

namespace {

constexpr int kGivenUpCode = 1;  ///< Of a process that was to run for ever and ended with 0 too often.
constexpr auto kQuickStage = std::chrono::seconds(1);
constexpr auto kFlushPatience = std::chrono::seconds(2);
constexpr auto kComplaintInterval = std::chrono::seconds(5);

std::string signal_name(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

std::string pid_text(const Child& child) { return "pid " + std::to_string(child.pid()); }

}  // namespace

Supervisor::Supervisor(const Plan& plan, pid_t guard)
    : plan_(plan),
      guard_(guard),
      signals_(io_, SIGINT, SIGTERM, SIGHUP),
      run_timer_(io_),
      step_timer_(io_),
      look_timer_(io_),
      stage_timer_(io_),
      // The console's thread starts here and inherits a mask in which the signals above are still blocked.
      console_(io_, STDOUT_FILENO,
               {[this] {
                  for (const auto& child : children_) child->resume_output();
                  if (stage_ == Stage::finishing && console_.flushed()) io_.stop();
                },
                [this] {
                  hurried_ = true;
                  begin_shutdown(128 + SIGPIPE, "stdout cannot be written");
                }}),
      sigterm_after_(plan.sigterm_after),
      sigkill_after_(plan.sigkill_after) {
  signals_.add(SIGQUIT);
  signals_.add(SIGCHLD);
  signals_.add(kGuardDiedSignal);
  order_.resize(plan.steps.size());
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  const auto delay = [this](std::size_t step) { return delay_of(plan_.steps[step]); };
  std::stable_sort(order_.begin(), order_.end(),
                   [&](std::size_t left, std::size_t right) { return delay(left) < delay(right); });
  immediate_ = static_cast<std::size_t>(
      std::count_if(order_.begin(), order_.end(), [&](std::size_t step) { return delay(step).count() == 0; }));
}

int Supervisor::run() {
  wait_for_signal();
  sigset_t none;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  begin_ = std::chrono::steady_clock::now();
  start_from(0);
  io_.run();
  return decided_code_ != kNoCode ? decided_code_ : failure_code_;
}

// One step a turn, so that signals and output are served between them.
void Supervisor::start_from(std::size_t position) {
  if (stage_ != Stage::running) return;
  if (position == immediate_) start_run_timer();
  if (position == order_.size()) {
    all_started_ = true;
    return finish_if_done();
  }
  const PlannedStep& step = plan_.steps[order_[position]];
  const auto then = [this, &step, position](const boost::system::error_code& error) {
    if (error || stage_ != Stage::running) return;
    carry_out(step);
    start_from(position + 1);
  };
  // A delay of none is over already, but the timer's handler runs in a turn of its own.
  step_timer_.expires_at(begin_ + delay_of(step));
  step_timer_.async_wait(then);
}

void Supervisor::carry_out(const PlannedStep& step) {
  if (const auto* log = std::get_if<PlannedLog>(&step)) console_.log(Severity::info, log->message);
  if (const auto* process = std::get_if<PlannedProcess>(&step)) {
    process->after.empty() ? start(*process) : start_when_ready(*process);
  }
  if (const auto* shutdown = std::get_if<PlannedShutdown>(&step)) {
    begin_shutdown(kNoCode, "the launch file says shutdown (" + shutdown->reason + ")");
  }
}

void Supervisor::start_run_timer() {
  if (!plan_.run_for) return;
  run_timer_.expires_after(*plan_.run_for);
  run_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) begin_shutdown(kNoCode, "the time of 'for: " + format_duration(*plan_.run_for) + "' is over");
  });
}

Supervisor::Attempts& Supervisor::attempts_of(const PlannedProcess& process) {
  return attempts_.try_emplace(&process, Attempts{attempts_.size(), {}, {}, asio::steady_timer(io_)}).first->second;
}

void Supervisor::start(const PlannedProcess& process) {
  Attempts& attempts = attempts_of(process);
  attempts.started = std::chrono::steady_clock::now();
  auto child = std::make_unique<Child>(io_, console_, process, attempts.index);
  Child& started = *child;
  children_.push_back(std::move(child));
  try {
    started.start([this, &started](const Ending& ending) { on_end(started, ending); });
  } catch (const SystemError& error) {
    attempts.over = true;
    console_.log(Severity::error, process.label, std::string("process cannot be started: ") + error.what());
    fail_with(kCannotStartCode);
    if (process.required) begin_shutdown(kCannotStartCode, "[" + process.label + "] is required");
    return;
  }
  ++live_;
  console_.log(Severity::info, process.label,
               "process started with " + std::string("pid [") + std::to_string(started.pid()) + "]");
}

// What is started anew has not failed yet.
bool Supervisor::start_anew(const PlannedProcess& process, const Ending& ending) {
  if (!process.respawn || stage_ != Stage::running) return false;
  Attempts& attempts = attempts_of(process);
  const auto delay = attempts.restarts.after_end(*process.respawn, attempts.started, std::chrono::steady_clock::now());
  if (!delay) {
    console_.log(Severity::error, process.label,
                 "process has been started anew " + std::to_string(*process.respawn->most) + " times within " +
                     format_duration(process.respawn->window) + " and has ended again: giving it up");
    fail_with(ending.code != 0 ? ending.code : kGivenUpCode);
    return false;
  }
  console_.log(Severity::info, process.label,
               "process is started anew in " + format_duration(*delay) + " (restart " +
                   std::to_string(attempts.restarts.count()) + ")");
  ++pausing_;
  attempts.pause.expires_after(*delay);
  attempts.pause.async_wait([this, &process](const boost::system::error_code& error) {
    if (error || stage_ != Stage::running) return;
    --pausing_;
    std::erase_if(children_, [](const auto& child) { return !child->alive() && child->output_ended(); });
    start(process);
  });
  return true;
}

void Supervisor::on_end(const Child& child, const Ending& ending) {
  --live_;
  tell_ending(child, ending);
  Attempts& attempts = attempts_of(child.plan());
  attempts.ended_well = attempts.ended_well || ending.code == 0;
  attempts.over = !start_anew(child.plan(), ending);
  if (attempts.over && ending.failed()) fail_with(ending.code);
  if (child.plan().required) {
    begin_shutdown(ending.code != 0 ? ending.code : kNoCode, "[" + child.plan().label + "] is required");
  }
  reap_orphans();
  finish_if_done();
}

void Supervisor::tell_ending(const Child& child, const Ending& ending) {
  const std::string& label = child.plan().label;
  if (ending.code == 0) {
    console_.log(Severity::info, label, "process has finished cleanly [" + pid_text(child) + "]");
    return;
  }
  const std::string how =
      ending.signal != 0 ? "killed by " + signal_name(ending.signal) : "exit code " + std::to_string(ending.code);
  if (!ending.failed()) {
    console_.log(Severity::info, label, "process has ended as asked [" + pid_text(child) + ", " + how + "]");
    return;
  }
  console_.log(Severity::error, label,
               "process has died [" + pid_text(child) + ", " + how + ", cmd '" + child.plan().command_line() + "']");
}

void Supervisor::fail_with(int code) {
  if (failure_code_ == 0) failure_code_ = code;
}

void Supervisor::wait_for_signal() {
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;
    wait_for_signal();
    on_signal(signal);
  });
}

void Supervisor::on_signal(int signal) {
  if (signal == SIGCHLD) return reap_orphans();
  if (signal == kGuardDiedSignal) {
    if (::getppid() != guard_) on_guard_death();
    return;
  }
  hurried_ = true;
  if (stage_ == Stage::running) {
    begin_shutdown(128 + signal, "received " + signal_name(signal));
  } else if (stage_ == Stage::finishing) {
    io_.stop();
  } else if (stage_ != Stage::killing) {
    console_.log(Severity::warning, "received " + signal_name(signal) + " during the shutdown, not waiting any longer");
    escalate();
  }
}

// Nobody waits for us any more and nobody would clean up behind us: leave while we can.
void Supervisor::on_guard_death() {
  hurried_ = true;
  sigterm_after_ = std::min<std::chrono::nanoseconds>(sigterm_after_, kQuickStage);
  sigkill_after_ = std::min<std::chrono::nanoseconds>(sigkill_after_, kQuickStage);
  if (stage_ == Stage::running) {
    begin_shutdown(128 + SIGKILL, "the launcher was killed");
  } else if (stage_ == Stage::finishing) {
    io_.stop();
  } else if (stage_ != Stage::killing) {
    after(kQuickStage, &Supervisor::escalate);
  }
}

// Adopted processes (we are a subreaper) leave zombies. Our own children are left to their pidfd: when one of them is
// first in line, its handler comes back here.
void Supervisor::reap_orphans() {
  siginfo_t info{};
  while (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
    const bool ours = std::any_of(children_.begin(), children_.end(),
                                  [&info](const auto& child) { return child->alive() && child->pid() == info.si_pid; });
    if (ours) return;
    ::waitpid(info.si_pid, nullptr, WNOHANG);
    info = {};
  }
}

void Supervisor::begin_shutdown(int code, const std::string& why) {
  if (stage_ != Stage::running) return;
  decided_code_ = code;
  run_timer_.cancel();
  for (auto& [process, attempts] : attempts_) attempts.pause.cancel();
  pausing_ = 0;
  waiting_.clear();
  console_.log(Severity::info, why + ", shutting down");
  enter(Stage::interrupting, SIGINT, sigterm_after_);
  // Not at once: the caller may be in the middle of starting or ending a process.
  asio::post(io_, [this] { finish_if_done(); });
}

void Supervisor::escalate() {
  const bool interrupting = stage_ == Stage::interrupting;
  if (!interrupting && stage_ != Stage::terminating) return;
  const std::string last = interrupting ? "SIGINT" : "SIGTERM";
  for (const auto& child : children_) {
    if (!child->alive()) continue;
    console_.log(Severity::warning, child->plan().label,
                 "process has not ended after " + last + ", escalating to " + (interrupting ? "SIGTERM" : "SIGKILL"));
  }
  if (interrupting) {
    enter(Stage::terminating, SIGTERM, sigkill_after_);
  } else {
    enter(Stage::killing, SIGKILL, kComplaintInterval);
  }
}

void Supervisor::enter(Stage stage, int signal, std::chrono::nanoseconds patience) {
  stage_ = stage;
  for (const auto& child : children_) {
    if (!child->alive()) continue;
    if (stage == Stage::interrupting) {
      console_.log(Severity::info, child->plan().label, "sending " + signal_name(signal));
    }
    child->send(signal);
  }
  after(patience, stage == Stage::killing ? &Supervisor::complain_about_survivors : &Supervisor::escalate);
}

void Supervisor::complain_about_survivors() {
  if (stage_ != Stage::killing) return;
  for (const auto& child : children_) {
    if (!child->alive()) continue;
    console_.log(Severity::error, child->plan().label,
                 "waiting for the process to end after SIGKILL [" + pid_text(*child) + "]; it is stuck in the kernel");
  }
  after(kComplaintInterval, &Supervisor::complain_about_survivors);
}

void Supervisor::after(std::chrono::nanoseconds delay, void (Supervisor::*then)()) {
  stage_timer_.expires_after(delay);
  stage_timer_.async_wait([this, then](const boost::system::error_code& error) {
    if (!error) (this->*then)();
  });
}

void Supervisor::finish_if_done() {
  if (live_ != 0 || pausing_ != 0 || !waiting_.empty() || stage_ == Stage::finishing) return;
  if (stage_ == Stage::running && !all_started_) return;
  finish();
}

void Supervisor::finish() {
  stage_ = Stage::finishing;
  run_timer_.cancel();
  kill_descendants([this](const Descendant& left) {
    console_.log(Severity::warning,
                 "killed '" + left.name + "' [pid " + std::to_string(left.pid) + "], left behind by a process");
  });
  for (const auto& child : children_) child->drain_output();
  if (console_.flushed()) return io_.stop();
  stage_timer_.expires_after(kFlushPatience);
  stage_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    if (hurried_) return io_.stop();
    std::fprintf(stderr, "sluice launch: all processes have ended; waiting for the reader of stdout (Ctrl-C leaves)\n");
  });
}

}  // namespace sluice::launch
