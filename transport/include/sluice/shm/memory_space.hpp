#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <sluice/export.hpp>

namespace sluice::shm {

/// How much memory may still be taken, and what limits it.
struct SpaceLimit {
  std::uint64_t free_bytes = 0;  ///< At this moment; others take from it too.
  std::string limited_by;  ///< "/dev/shm (64MiB in all)" or "the memory limit of control group /a/b (memory.max 1GiB)".
};

/// Free space of the file system that `fd` is on.
[[nodiscard]] SLUICE_EXPORT SpaceLimit file_system_space(int fd, const std::string& path);

/// Bytes of memory that reserving `bytes` of a new file takes.
[[nodiscard]] SLUICE_EXPORT std::uint64_t whole_pages(std::uint64_t bytes) noexcept;

/// Where the kernel tells about control groups.
struct ControlGroupFiles {
  std::string membership = "/proc/self/cgroup";  ///< Which groups we are in.
  std::string mount = "/sys/fs/cgroup";          ///< The groups themselves, of version 1 or 2 or both.
};

/// What the tightest memory limit on the way from our control group to the root leaves, page cache that can be dropped
/// counted as free; nothing when no limit is set or the control groups cannot be read. Versions 1 and 2. In a container
/// the path of our group may be the host's and not be there; then the root's limit, which is the container's, counts.
[[nodiscard]] SLUICE_EXPORT std::optional<SpaceLimit> control_group_space(const ControlGroupFiles& files = {});

}  // namespace sluice::shm
