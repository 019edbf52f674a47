#pragma once

#include "budgets/subject.hpp"

namespace sluice::budgets {

/// Runs the hot path of one kind in a child, over several laps of the ring, and counts what does not belong there:
/// allocations, system calls, page faults. True when there is none; otherwise says on stderr what there was.
[[nodiscard]] bool hot_path_is_quiet(const Kind& kind, Plant plant);

}  // namespace sluice::budgets
