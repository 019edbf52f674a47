#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include <sluice/error.hpp>
#include <sluice/shm/memory_space.hpp>
#include <sluice/shm/unique_fd.hpp>
#include <sluice/units.hpp>

#include "commands/plan.hpp"

namespace sluice::commands {

namespace {

/// Which settings of a topic make it smaller.
std::string what_to_reduce(const PlannedTopic& topic) {
  const std::string depth = "depth (" + std::to_string(topic.spec.qos.depth) + ")";
  std::string max_size = "max_size (" + format_size(topic.spec.max_size) + ")";
  if (topic.traits.latest_value) return max_size;
  return topic.spec.options.count("segment") != 0 ? depth : depth + " or " + max_size;
}

/// The topic that takes most of what `files` need: "the largest is topic '/x' with 10 bytes (...): reduce its ...".
std::string largest(const Plan& plan, const std::vector<const PlannedFile*>& files) {
  std::map<std::string, std::uint64_t> bytes_of;
  for (const PlannedFile* file : files) bytes_of[file->topic] += file->bytes;
  const PlannedTopic* found = nullptr;
  for (const PlannedTopic& topic : plan.topics) {
    if (found == nullptr || bytes_of[topic.spec.name] > bytes_of[found->spec.name]) found = &topic;
  }
  if (found == nullptr) return {};
  return "; the largest is topic '" + found->spec.name + "' with " + bytes_text(bytes_of[found->spec.name]) + " (" +
         found->footprint.detail + "): reduce its " + what_to_reduce(*found) +
         ", remove leftovers with 'sluice shm "
         "clean', or enlarge the limit";
}

std::string too_little(const PlannedLimit& limit) {
  const auto amount = [&](std::uint64_t value) {
    return limit.unit == "bytes" ? bytes_text(value) : std::to_string(value) + " " + limit.unit;
  };
  return amount(limit.needed) + " needed, " + amount(limit.free) + " free in " + limit.limited_by;
}

PlannedLimit memory_limit(const Plan& plan, const std::vector<const PlannedFile*>& files,
                          const shm::SpaceLimit& space) {
  PlannedLimit limit{"bytes", space.limited_by, 0, space.free_bytes, ""};
  for (const PlannedFile* file : files) limit.needed += file->bytes;
  if (limit.needed > limit.free) {
    limit.problem = "not enough shared memory: " + too_little(limit) + largest(plan, files);
  }
  return limit;
}

void add_file_system(const Plan& plan, const std::string& directory, const std::vector<const PlannedFile*>& files,
                     std::vector<PlannedLimit>& limits) {
  const shm::UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct statvfs info {};
  if (!fd.valid() || ::fstatvfs(fd.get(), &info) != 0) {
    throw SystemError("cannot ask for the free space of '" + directory + "'", errno);
  }
  limits.push_back(memory_limit(plan, files, shm::file_system_space(fd.get(), directory + "/")));
  if (info.f_files == 0) return;  // no limit
  PlannedLimit inodes{"files", directory + " (" + std::to_string(info.f_files) + " inodes in all)", files.size(),
                      std::uint64_t{info.f_favail}, ""};
  if (inodes.needed > inodes.free) {
    inodes.problem = "too many files: " + too_little(inodes) +
                     "; remove leftovers with 'sluice shm clean', or mount it with a larger nr_inodes";
  }
  limits.push_back(inodes);
}

void add_memory(const Plan& plan, std::vector<PlannedLimit>& limits) {
  std::vector<const PlannedFile*> missing;
  std::map<dev_t, std::pair<std::string, std::vector<const PlannedFile*>>> file_systems;
  for (const PlannedFile& file : plan.files) {
    if (file.exists) continue;
    missing.push_back(&file);
    const std::string directory = existing_directory(file.path);
    struct stat info {};
    if (::stat(directory.c_str(), &info) != 0) throw SystemError("cannot examine '" + directory + "'", errno);
    auto& [known_as, files] = file_systems[info.st_dev];
    if (known_as.empty()) known_as = directory;
    files.push_back(&file);
  }
  for (const auto& [device, file_system] : file_systems) {
    add_file_system(plan, file_system.first, file_system.second, limits);
  }
  if (const auto group = shm::control_group_space()) limits.push_back(memory_limit(plan, missing, *group));
}

/// Nothing: no limit is set.
std::optional<std::uint64_t> resource_limit(__rlimit_resource_t resource) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
  return limit.rlim_cur;
}

void add_descriptors(const Plan& plan, std::vector<PlannedLimit>& limits) {
  const auto most = resource_limit(RLIMIT_NOFILE);
  if (!most) return;
  PlannedLimit limit{"descriptors", "a process (RLIMIT_NOFILE " + std::to_string(*most) + ")",
                     plan.descriptors + kStandardStreams, *most, ""};
  if (limit.needed > limit.free) {
    limit.problem = "too many descriptors: " + too_little(limit) +
                    " for one process that has every topic; raise 'ulimit -n', or divide the topics among processes";
  }
  limits.push_back(limit);
}

void add_longest_file(const Plan& plan, std::vector<PlannedLimit>& limits) {
  const auto most = resource_limit(RLIMIT_FSIZE);
  if (!most || plan.files.empty()) return;
  const auto longest = std::max_element(plan.files.begin(), plan.files.end(),
                                        [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
  PlannedLimit limit{"bytes", "a file (RLIMIT_FSIZE " + std::to_string(*most) + ")", longest->bytes, *most, ""};
  if (limit.needed > limit.free) {
    limit.problem = "a file is too long: " + too_little(limit) + largest(plan, {&*longest}) + " with 'ulimit -f'";
  }
  limits.push_back(limit);
}

}  // namespace

std::string existing_directory(const std::string& path) {
  auto directory = std::filesystem::path(path).parent_path();
  std::error_code error;
  while (!std::filesystem::is_directory(directory, error) && directory != directory.parent_path()) {
    directory = directory.parent_path();
  }
  return directory.string();
}

std::vector<PlannedLimit> limits_of(const Plan& plan) {
  std::vector<PlannedLimit> limits;
  add_memory(plan, limits);
  add_descriptors(plan, limits);
  add_longest_file(plan, limits);
  return limits;
}

}  // namespace sluice::commands
