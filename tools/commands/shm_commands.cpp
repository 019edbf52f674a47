#include "commands/commands.hpp"

#include <sys/stat.h>

#include <cstdio>
#include <filesystem>
#include <iostream>

#include <nlohmann/json.hpp>

#include <sluice/error.hpp>
#include <sluice/graph.hpp>

#include "commands/doctor_checks.hpp"

namespace sluice::commands {

int shm_list(const Common& common) {
  const std::string directory = Config::load_or_environment(common.config_files).domain().directory();
  auto json = nlohmann::json::array();
  std::error_code error;
  for (auto entry = std::filesystem::recursive_directory_iterator(directory, error);
       !error && entry != std::filesystem::recursive_directory_iterator{}; entry.increment(error)) {
    struct stat info {};
    const std::string path = entry->path().string();
    if (::lstat(path.c_str(), &info) != 0 || S_ISDIR(info.st_mode)) continue;
    const auto bytes = static_cast<std::uint64_t>(info.st_blocks) * 512;
    const bool alive = in_use(path);
    json.push_back({{"path", path}, {"bytes", bytes}, {"uid", info.st_uid}, {"state", alive ? "in use" : "leftover"}});
    if (!common.json) {
      std::printf("%12llu bytes  %-8s  %s\n", static_cast<unsigned long long>(bytes), alive ? "in use" : "leftover",
                  path.c_str());
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    throw SystemError("cannot read the domain's directory '" + directory + "'", error.value());
  }
  if (common.json) std::cout << json.dump(2) << "\n";
  return 0;
}

int shm_clean(const Common& common) {
  const std::size_t removed = remove_leftovers(Config::load_or_environment(common.config_files));
  if (common.json) {
    std::cout << nlohmann::json{{"removed", removed}}.dump() << "\n";
  } else {
    std::printf("removed %zu leftover file%s\n", removed, removed == 1 ? "" : "s");
  }
  return 0;
}

}  // namespace sluice::commands
