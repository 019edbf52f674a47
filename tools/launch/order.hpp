#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "plan.hpp"
#include "scope.hpp"

namespace sluice::launch {

/// Which processes wait for which: collected while a plan is made, and decided when all processes are known.
class Order {
 public:
  /// The process at `step` can be waited for by this name: its own, with or without its namespace.
  void add_process(std::size_t step, const std::string& full_name);

  /// The process at `step` waits for the one with that name.
  void add_wait(std::size_t step, Text name) { waits_.push_back({step, std::move(name)}); }

  /// Writes who waits for whom into the plan. Throws ConfigError: there is no such process, there are several, or they
  /// wait for each other.
  void decide(Plan& plan) const;

 private:
  struct Wait {
    std::size_t step;
    Text name;
  };

  [[nodiscard]] std::size_t find(const Text& name) const;

  std::map<std::string, std::vector<std::size_t>> steps_;  ///< By name.
  std::vector<Wait> waits_;
};

}  // namespace sluice::launch
