#include "order.hpp"

#include <algorithm>
#include <set>

#include <sluice/error.hpp>

namespace sluice::launch {

namespace {

PlannedProcess& process_at(Plan& plan, std::size_t step) { return std::get<PlannedProcess>(plan.steps[step]); }

/// The processes from `step` on that wait for each other and come back to `goal`; empty: they do not.
std::vector<std::string> circle(Plan& plan, std::size_t step, std::size_t goal, std::set<std::size_t>& seen) {
  for (const Awaited& awaited : process_at(plan, step).after) {
    if (awaited.kind != Awaited::Kind::process) continue;
    const std::string& label = process_at(plan, awaited.step).label;
    if (awaited.step == goal) return {label};
    if (!seen.insert(awaited.step).second) continue;
    auto rest = circle(plan, awaited.step, goal, seen);
    if (rest.empty()) continue;
    rest.insert(rest.begin(), label);
    return rest;
  }
  return {};
}

}  // namespace

void Order::add_process(std::size_t step, const std::string& full_name) {
  const std::string name = full_name.substr(full_name.rfind('/') + 1);
  for (const std::string& known : std::set<std::string>{full_name, full_name.substr(1), name}) {
    steps_[known].push_back(step);
  }
}

std::size_t Order::find(const Text& name) const {
  const auto found = steps_.find(name.text);
  if (found == steps_.end()) {
    std::vector<std::string> names;
    for (const auto& [known, steps] : steps_) names.push_back(known);
    throw ConfigError(name.origin, "'after': there is no process '" + name.text + "' with a 'name' in this launch" +
                                       did_you_mean(name.text, names));
  }
  if (found->second.size() > 1) {
    throw ConfigError(name.origin,
                      "'after': there are several processes '" + name.text + "'; write the name with its namespace");
  }
  return found->second.front();
}

void Order::decide(Plan& plan) const {
  for (const Wait& wait : waits_) {
    const std::size_t step = find(wait.name);
    process_at(plan, wait.step).after.push_back({Awaited::Kind::process, process_at(plan, step).label, step});
  }
  for (const Wait& wait : waits_) {
    std::set<std::size_t> seen;
    const auto others = circle(plan, wait.step, wait.step, seen);
    if (others.empty()) continue;
    std::string chain = process_at(plan, wait.step).label;
    for (const std::string& label : others) chain += " after " + label;
    throw ConfigError(wait.name.origin, "'after': these processes wait for each other: " + chain);
  }
}

}  // namespace sluice::launch
