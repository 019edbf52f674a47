#pragma once

#include <sys/types.h>

#include <sluice/shm/unique_fd.hpp>

#include "plan.hpp"

namespace sluice::launch {

struct Spawned {
  pid_t pid = -1;
  shm::UniqueFd exit;    ///< pidfd, readable when the process has ended.
  shm::UniqueFd output;  ///< Reading end of its stdout, non-blocking.
  shm::UniqueFd errors;  ///< Reading end of its stderr, non-blocking.
};

/// Starts the program in a process group of its own, with /dev/null as stdin, no other descriptor of ours, default
/// signal dispositions and an empty signal mask. The kernel kills it (SIGKILL) when the calling *thread* ends, however
/// it ends. Throws SystemError if it cannot be started; then nothing is left behind.
[[nodiscard]] Spawned spawn(const PlannedProcess& process);

}  // namespace sluice::launch
