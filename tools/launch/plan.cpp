#include "plan.hpp"

#include <algorithm>
#include <cstddef>
#include <ostream>

#include <sluice/units.hpp>

#include "substitution.hpp"

namespace sluice::launch {

namespace {

std::string after(std::chrono::nanoseconds delay) {
  return delay.count() == 0 ? "" : " after " + format_duration(delay);
}

void print_step(std::ostream& out, const PlannedLog& log) {
  out << "log" << after(log.delay) << ": " << log.message << '\n';
}

void print_step(std::ostream& out, const PlannedShutdown& shutdown) {
  out << "shutdown" << after(shutdown.delay) << ": " << shutdown.reason << '\n';
}

void print_respawn(std::ostream& out, const Respawn& respawn) {
  out << "  respawn: after " << format_duration(respawn.delay);
  if (respawn.most) out << ", at most " << *respawn.most << " times in " << format_duration(respawn.window);
  out << '\n';
}

void print_step(std::ostream& out, const PlannedProcess& process) {
  out << '[' << process.label << ']' << (process.required ? " required" : "") << after(process.delay) << '\n';
  if (process.respawn) print_respawn(out, *process.respawn);
  for (const Awaited& awaited : process.after) {
    constexpr const char* kKinds[] = {"process", "node", "topic"};
    out << "  after: " << kKinds[static_cast<std::size_t>(awaited.kind)] << ' ' << awaited.name << '\n';
  }
  out << "  command: " << process.command_line() << '\n';
  if (!process.directory.empty()) out << "  cwd: " << process.directory << '\n';
  for (const auto& [name, value] : process.environment) out << "  env: " << name << '=' << shell_quoted(value) << '\n';
  for (const std::string& name : process.without_environment) out << "  env without: " << name << '\n';
}

}  // namespace

std::chrono::nanoseconds delay_of(const PlannedStep& step) {
  return std::visit([](const auto& what) { return what.delay; }, step);
}

std::string PlannedProcess::command_line() const {
  std::string line = shell_quoted(program);
  for (const std::string& argument : arguments) line += ' ' + shell_quoted(argument);
  return line;
}

std::size_t Plan::process_count() const {
  return static_cast<std::size_t>(std::count_if(
      steps.begin(), steps.end(), [](const auto& step) { return std::holds_alternative<PlannedProcess>(step); }));
}

void print_plan(std::ostream& out, const Plan& plan) {
  out << "launch file: " << plan.file << '\n';
  if (plan.run_for) out << "for: " << format_duration(*plan.run_for) << '\n';
  out << "shutdown: SIGINT, SIGTERM after " << format_duration(plan.sigterm_after) << ", SIGKILL after another "
      << format_duration(plan.sigkill_after) << '\n';
  for (const auto& step : plan.steps) {
    std::visit([&out](const auto& what) { print_step(out, what); }, step);
  }
}

}  // namespace sluice::launch
