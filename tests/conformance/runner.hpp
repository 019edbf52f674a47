#pragma once

#include "conformance/settings.hpp"
#include "conformance/suite.hpp"

namespace sluice::conformance {

/// Exit codes of this program, and of the processes in which it checks one promise each.
enum Exit : int { kHolds = 0, kBroken = 1, kUnusable = 2, kNotCheckable = 3 };

/// Checks every promise in a process of its own, so that a plugin that crashes or hangs fails one promise and not the
/// suite. Prints a line each. Throws Error when the transport cannot be used at all.
[[nodiscard]] int run_suite(const Suite& suite, const Settings& settings);

/// Prints every promise and what excludes it.
[[nodiscard]] int list_suite(const Suite& suite, const Settings& settings);

/// Checks settings.here in this process.
[[nodiscard]] int run_here(const Suite& suite, const Settings& settings);

}  // namespace sluice::conformance
