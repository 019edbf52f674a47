#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace sluice::launch {

struct Descendant {
  pid_t pid = 0;
  pid_t parent = 0;
  char state = '?';              ///< As in /proc/PID/stat.
  unsigned long long start = 0;  ///< Clock ticks since boot; with the pid it identifies a process.
  std::string name;
};

/// All processes below `ancestor`, zombies included.
[[nodiscard]] std::vector<Descendant> descendants_of(pid_t ancestor);

/// Kills and reaps everything below this process until nothing is left. The caller must be a child subreaper; then this
/// finds double-forked and setsid processes too, and an adopted process cannot escape by forking faster. Gives up only
/// on what the kernel does not let us kill (another user's process), with a line on stderr. `on_kill` is told of every
/// process once. Single-threaded use; no other code may wait for children meanwhile.
void kill_descendants(const std::function<void(const Descendant&)>& on_kill);

}  // namespace sluice::launch
