#pragma once

#include <string>
#include <utility>
#include <vector>

#include <sluice/error.hpp>

#include "tools/launch/resolve.hpp"

namespace launch_test {

/// The text of the error that `action` throws, or "no error".
template <typename Action>
std::string error_of(Action&& action) {
  try {
    action();
  } catch (const sluice::Error& error) {
    return error.what();
  }
  return "no error";
}

inline sluice::launch::Plan plan_of(const std::string& yaml, const std::vector<std::string>& assignments = {}) {
  using namespace sluice::launch;
  return resolve(parse_description(yaml, "demo.yaml", "/demo"), assignments, "/demo/bin");
}

inline std::string plan_error(const std::string& yaml, const std::vector<std::string>& assignments = {}) {
  return error_of([&] { (void)plan_of(yaml, assignments); });
}

inline const sluice::launch::PlannedProcess& process(const sluice::launch::Plan& plan, std::size_t step = 0) {
  return std::get<sluice::launch::PlannedProcess>(plan.steps.at(step));
}

}  // namespace launch_test
