#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <filesystem>
#include <fstream>

#include <sluice/shm/unique_fd.hpp>

#include "commands/doctor_checks.hpp"

namespace sluice::commands {

namespace {

constexpr std::uint64_t kFewDescriptors = 256;

/// Less than a tenth of all is little.
constexpr std::uint64_t kLittle = 10;

std::optional<std::uint64_t> read_number(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t value = 0;
  if (!(file >> value)) return std::nullopt;
  return value;
}

bool is_in_memory(int fd) {
  constexpr long kTmpfs = 0x01021994;
  constexpr long kRamfs = 0x858458f6;
  struct statfs info {};
  return ::fstatfs(fd, &info) != 0 || info.f_type == kTmpfs || info.f_type == kRamfs;
}

struct InotifyUse {
  std::uint64_t instances = 0;
  std::uint64_t watches = 0;
  bool complete = true;  ///< False: some processes may not be looked into, so there may be more.
};

std::uint64_t count_watches(const std::string& fdinfo) {
  std::ifstream file(fdinfo);
  std::uint64_t count = 0;
  for (std::string line; std::getline(file, line);) count += line.starts_with("inotify ") ? 1 : 0;
  return count;
}

void count_inotify_of(const std::string& process, InotifyUse& use) {
  std::error_code error;
  for (auto fd = std::filesystem::directory_iterator(process + "/fd", error);
       !error && fd != std::filesystem::directory_iterator{}; fd.increment(error)) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(fd->path(), gone).string();
    if (target.find("inotify") == std::string::npos || target.starts_with('/')) continue;
    ++use.instances;
    use.watches += count_watches(process + "/fdinfo/" + fd->path().filename().string());
  }
  if (error == std::errc::permission_denied) use.complete = false;
}

InotifyUse inotify_use(const std::string& proc, uid_t user) {
  InotifyUse use;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(proc, error);
       !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    struct stat info {};
    if (::stat(entry->path().c_str(), &info) == 0 && info.st_uid == user) count_inotify_of(entry->path().string(), use);
  }
  return use;
}

}  // namespace

Check check_space(const std::string& name, const std::string& directory, std::uint64_t needed) {
  const std::string place = existing_directory(directory + "/");
  const shm::UniqueFd fd(::open(place.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct statfs info {};
  if (!fd.valid() || ::fstatfs(fd.get(), &info) != 0) {
    return {name, Verdict::failed, "the free space of '" + place + "' cannot be asked for",
            "mount a tmpfs there, or set another 'runtime_dir'"};
  }
  const std::uint64_t all = std::uint64_t{info.f_blocks} * static_cast<std::uint64_t>(info.f_bsize);
  const std::uint64_t free = std::uint64_t{info.f_bavail} * static_cast<std::uint64_t>(info.f_bsize);
  const std::string found = bytes_text(free) + " free of " + bytes_text(all) + " in " + place;
  const std::string remedy = "remove leftovers with 'sluice shm clean', or enlarge it ('mount -o remount,size=1G " +
                             place + "'; of a container: --shm-size)";
  if (free < needed) return {name, Verdict::failed, found + ", and " + bytes_text(needed) + " are needed", remedy};
  if (free < all / kLittle) return {name, Verdict::warning, found + ", which is less than a tenth", remedy};
  if (!is_in_memory(fd.get())) {
    return {name, Verdict::warning, found + ", which is no tmpfs: the kernel writes messages to a disk",
            "set 'runtime_dir' to a directory in /dev/shm"};
  }
  return {name, Verdict::ok, found, ""};
}

Check check_control_group(const HostFiles& host, std::uint64_t needed) {
  const auto space = shm::control_group_space(host.control_groups);
  if (!space) return {"memory limit", Verdict::ok, "no control group limits memory", ""};
  const std::string found = bytes_text(space->free_bytes) + " left by " + space->limited_by;
  if (space->free_bytes >= needed) return {"memory limit", Verdict::ok, found, ""};
  return {"memory limit", Verdict::failed, found + ", and " + bytes_text(needed) + " are needed",
          "raise the limit (systemd: MemoryMax=; of a container: --memory), or make the topics smaller: shared memory "
          "counts"};
}

Check check_descriptors(std::optional<std::uint64_t> limit, std::uint64_t needed) {
  if (!limit) return {"descriptors", Verdict::ok, "unlimited (RLIMIT_NOFILE)", ""};
  const std::string found = std::to_string(*limit) + " for a process (RLIMIT_NOFILE), and " + std::to_string(needed) +
                            " are needed by one that has every topic";
  if (*limit < needed) {
    return {"descriptors", Verdict::failed, found, "raise 'ulimit -n', or divide the topics among processes"};
  }
  if (*limit < kFewDescriptors) return {"descriptors", Verdict::warning, found, "raise 'ulimit -n' to 1024 or more"};
  return {"descriptors", Verdict::ok, found, ""};
}

Check check_inotify(const HostFiles& host, const User& user) {
  const auto instances = read_number(host.proc + "/sys/fs/inotify/max_user_instances");
  const auto watches = read_number(host.proc + "/sys/fs/inotify/max_user_watches");
  if (!instances || !watches) {
    return {"inotify", Verdict::warning, "this kernel does not tell of inotify (sysctl fs.inotify)",
            "without it processes look for each other every 100 ms, which costs a little"};
  }
  const InotifyUse use = inotify_use(host.proc, user.id);
  const std::string found = user.name + " has " + (use.complete ? "" : "at least ") + std::to_string(use.instances) +
                            " of " + std::to_string(*instances) + " instances and " + std::to_string(use.watches) +
                            " of " + std::to_string(*watches) + " watches";
  const auto near = [](std::uint64_t used, std::uint64_t most) { return used + most / kLittle >= most; };
  std::string remedy;
  if (near(use.instances, *instances)) {
    remedy = "raise it: 'sysctl -w fs.inotify.max_user_instances=" + std::to_string(8 * *instances) + "'";
  } else if (near(use.watches, *watches)) {
    remedy = "raise it: 'sysctl -w fs.inotify.max_user_watches=" + std::to_string(8 * *watches) + "'";
  }
  if (remedy.empty()) return {"inotify", Verdict::ok, found, ""};
  return {"inotify", Verdict::warning, found,
          remedy + "; processes that get none look for each other every 100 ms instead"};
}

}  // namespace sluice::commands
