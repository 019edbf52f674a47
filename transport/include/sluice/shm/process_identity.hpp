#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include <sluice/export.hpp>

namespace sluice::shm {

/// Who a process is. A pid alone is reused; pid and start time together are unique until the next boot. Both are for
/// people and file names: whether a process lives is decided by its locks, never by its pid (PID namespaces).
struct SLUICE_EXPORT ProcessIdentity {
  pid_t pid = 0;                 ///< In the process's own PID namespace.
  std::uint64_t start_time = 0;  ///< Field 22 of /proc/PID/stat, clock ticks since boot; 0 when /proc is hidden.
  std::string executable;        ///< Base name of /proc/self/exe, or "?".

  /// Of the calling process; read anew after a fork.
  [[nodiscard]] static ProcessIdentity self();

  /// "imu_filter (pid 4711)".
  [[nodiscard]] std::string text() const { return executable + " (pid " + std::to_string(pid) + ")"; }
};

/// Whether the process that had this pid when it started at `start_time` stands still: stopped by a signal or by a
/// debugger. False when it cannot be told: gone, hidden, or of another PID namespace. Reads /proc; does not allocate.
[[nodiscard]] SLUICE_EXPORT bool process_is_stopped(std::uint32_t pid, std::uint64_t start_time) noexcept;

}  // namespace sluice::shm
