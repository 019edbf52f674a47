#include <sluice/shm/memory_space.hpp>

#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>

#include <sluice/error.hpp>

namespace sluice::shm {

namespace {

std::optional<std::uint64_t> read_number(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t value = 0;
  if (!(file >> value)) return std::nullopt;  // absent, or "max"
  return value;
}

std::uint64_t read_statistic(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  std::string name;
  std::uint64_t value = 0;
  while (file >> name >> value) {
    if (name == key) return value;
  }
  return 0;
}

/// The file names that say limit, usage and droppable page cache; see the kernel's cgroup-v1/memory.rst, cgroup-v2.rst.
struct Hierarchy {
  std::string mount;
  std::string group;
  const char* limit;
  const char* usage;
  const char* droppable;
};

std::optional<Hierarchy> find_hierarchy(const ControlGroupFiles& files) {
  std::ifstream groups(files.membership);
  std::optional<Hierarchy> found;
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers == "memory") {
      return Hierarchy{files.mount + "/memory", group, "memory.limit_in_bytes", "memory.usage_in_bytes",
                       "total_inactive_file"};
    }
    if (controllers.empty()) {
      // Beside groups of version 1, those of version 2 have a directory of their own.
      const bool alone = ::access((files.mount + "/cgroup.controllers").c_str(), F_OK) == 0;
      found =
          Hierarchy{files.mount + (alone ? "" : "/unified"), group, "memory.max", "memory.current", "inactive_file"};
    }
  }
  return found;
}

std::optional<SpaceLimit> space_of(const Hierarchy& hierarchy, const std::string& group) {
  const std::string directory = hierarchy.mount + group + "/";
  const auto limit = read_number(directory + hierarchy.limit);
  const auto usage = read_number(directory + hierarchy.usage);
  constexpr std::uint64_t kUnlimited = std::uint64_t{1} << 62;  // version 1 writes a huge number for "no limit"
  if (!limit || !usage || *limit > kUnlimited) return std::nullopt;
  const std::uint64_t droppable = read_statistic(directory + "memory.stat", hierarchy.droppable);
  const std::uint64_t used = *usage > droppable ? *usage - droppable : 0;
  return SpaceLimit{*limit > used ? *limit - used : 0, "the memory limit of control group " +
                                                           (group.empty() ? "/" : group) + " (" + hierarchy.limit +
                                                           " " + std::to_string(*limit) + ")"};
}

}  // namespace

SpaceLimit file_system_space(int fd, const std::string& path) {
  struct statvfs info {};
  if (::fstatvfs(fd, &info) != 0) throw SystemError("cannot ask for the free space of '" + path + "'", errno);
  const std::string directory = path.substr(0, path.rfind('/'));
  return {std::uint64_t{info.f_bavail} * info.f_frsize,
          directory + " (" + std::to_string(std::uint64_t{info.f_blocks} * info.f_frsize) + " bytes in all)"};
}

std::uint64_t whole_pages(std::uint64_t bytes) noexcept {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

std::optional<SpaceLimit> control_group_space(const ControlGroupFiles& files) {
  const auto hierarchy = find_hierarchy(files);
  if (!hierarchy) return std::nullopt;
  std::optional<SpaceLimit> tightest;
  for (std::string group = hierarchy->group == "/" ? "" : hierarchy->group;;) {
    const auto space = space_of(*hierarchy, group);
    if (space && (!tightest || space->free_bytes < tightest->free_bytes)) tightest = space;
    if (group.empty()) return tightest;
    group.erase(group.rfind('/'));
  }
}

}  // namespace sluice::shm
