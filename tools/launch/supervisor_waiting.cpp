#include <algorithm>
#include <utility>

#include <sluice/error.hpp>
#include <sluice/units.hpp>

#include "supervisor.hpp"

// Processes that are started when others are ready: `after`.

namespace sluice::launch {

namespace {

constexpr auto kLookPeriod = std::chrono::milliseconds(20);

std::string text_of(const Awaited& awaited) {
  switch (awaited.kind) {
    case Awaited::Kind::process: return "[" + awaited.name + "]";
    case Awaited::Kind::node: return "node " + awaited.name;
    case Awaited::Kind::topic: break;
  }
  return "a publisher of " + awaited.name;
}

}  // namespace

void Supervisor::start_when_ready(const PlannedProcess& process) {
  std::string list;
  for (const Awaited& awaited : process.after) list += (list.empty() ? "" : ", ") + text_of(awaited);
  console_.log(Severity::info, process.label, "waiting for " + list);
  waiting_.push_back({&process, std::chrono::steady_clock::now() + process.after_timeout});
  if (waiting_.size() == 1) look_for_readiness();
}

void Supervisor::look_for_readiness() {
  if (stage_ != Stage::running) return;
  try {
    if (!readiness_) readiness_.emplace(plan_.config_files);
    readiness_->look();
    for (const Waiting& waiting : std::exchange(waiting_, {})) consider(waiting);
  } catch (const Error& error) {
    for (const Waiting& waiting : std::exchange(waiting_, {})) give_up(*waiting.process, error.what());
  }
  if (waiting_.empty()) return finish_if_done();
  look_timer_.expires_after(kLookPeriod);
  look_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) look_for_readiness();
  });
}

/// Starts the process, gives it up, or keeps it waiting.
void Supervisor::consider(const Waiting& waiting) {
  if (stage_ != Stage::running) return;  // what was started or given up before may have ended the launch
  const PlannedProcess& process = *waiting.process;
  for (const Awaited& awaited : process.after) {
    if (is_there(awaited)) continue;
    if (awaited.kind == Awaited::Kind::process && is_over(plan_.steps[awaited.step])) {
      return give_up(process, "it is to be started after " + text_of(awaited) + ", which has ended or was not started");
    }
    if (std::chrono::steady_clock::now() >= waiting.until) {
      return give_up(process, text_of(awaited) + " was not there within " + format_duration(process.after_timeout) +
                                  " ('after_timeout')");
    }
    waiting_.push_back(waiting);
    return;
  }
  start(process);
}

/// An executable that is to do something and end, such as a script that prepares the rest, is there when it has done
/// so.
bool Supervisor::is_there(const Awaited& awaited) const {
  if (awaited.kind == Awaited::Kind::node) return readiness_->has_node(awaited.name);
  if (awaited.kind == Awaited::Kind::topic) return readiness_->has_publisher(awaited.name);
  const auto& process = std::get<PlannedProcess>(plan_.steps[awaited.step]);
  const auto attempts = attempts_.find(&process);
  if (attempts == attempts_.end()) return false;
  if (!process.is_node && attempts->second.ended_well) return true;
  return std::any_of(children_.begin(), children_.end(), [&](const auto& child) {
    return child->alive() && &child->plan() == &process && (!process.is_node || readiness_->has_node_of(child->pid()));
  });
}

/// It was started, has ended and is not going to be started anew; or it was given up.
bool Supervisor::is_over(const PlannedStep& step) const {
  const auto attempts = attempts_.find(&std::get<PlannedProcess>(step));
  return attempts != attempts_.end() && attempts->second.over;
}

void Supervisor::give_up(const PlannedProcess& process, const std::string& why) {
  attempts_of(process).over = true;
  console_.log(Severity::error, process.label, "process is not started: " + why);
  fail_with(kCannotStartCode);
  if (process.required) begin_shutdown(kCannotStartCode, "[" + process.label + "] is required");
}

}  // namespace sluice::launch
