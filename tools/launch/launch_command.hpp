#pragma once

#include <string>
#include <vector>

namespace sluice::launch {

/// What `sluice launch FILE [arg:=value ...]` was asked to do.
struct Options {
  std::string file;
  std::vector<std::string> assignments;  ///< "name:=value", in the order of the command line.
  bool check = false;                    ///< Parse and resolve, start nothing.
  bool print = false;                    ///< Print the resolved plan, start nothing.
  bool show_args = false;                ///< List the arguments with their defaults, start nothing.
};

/// Exit code for a launch file or command line that cannot be used.
inline constexpr int kUnusableExitCode = 2;

/// Runs the command and returns the exit code of the process; docs/launch.md lists the codes. Errors go to stderr.
/// Forks: call it while the process has one thread. Does not return in the forked process.
int run(const Options& options);

}  // namespace sluice::launch
