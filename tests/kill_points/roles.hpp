#pragma once

#include "kill_points/group_log.hpp"
#include "kill_points/scenarios.hpp"
#include "stress/stress_support.hpp"

namespace sluice::kill_points {

/// Indices that the processes of a case have taken so far; 0 belongs to the untouched two.
struct Indices {
  stress::Word writers;
  stress::Word readers;
};

/// The body of the victim's process, and of those that provoke it. Returns the exit code.
int play(Role role, const stress::Place& place, Indices& indices, GroupLog& group, const Scenario& scenario);

/// The body of the untouched publisher's process.
int write_untouched(const stress::Place& place, const Scenario& scenario);

/// Whoever comes after everybody has gone: opens the topic, passes some messages through it, and leaves.
int inherit(const stress::Place& place);

}  // namespace sluice::kill_points
