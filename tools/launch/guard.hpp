#pragma once

#include <sys/types.h>

#include <csignal>
#include <functional>

namespace sluice::launch {

/// The signal by which the supervisor learns that its guard has died.
inline constexpr int kGuardDiedSignal = SIGUSR1;

/// Forks. The child runs `supervise(guard's pid)` and exits with what that returns. This process becomes its guard: it
/// forwards SIGINT, SIGTERM, SIGHUP and SIGQUIT, and when the child ends, for whatever reason, kills every process that
/// is left below it. Returns the child's exit code, or 128 + the signal that killed it. Throws SystemError.
///
/// `supervise` starts in a process group of its own with those signals, SIGCHLD and kGuardDiedSignal blocked.
[[nodiscard]] int run_guarded(const std::function<int(pid_t guard)>& supervise);

}  // namespace sluice::launch
