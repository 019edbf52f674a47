#include "program_search.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>
#include <system_error>
#include <vector>

namespace sluice::launch {

namespace {

namespace fs = std::filesystem;

enum class Finding { missing, directory, not_executable, usable };

Finding examine(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return Finding::missing;
  if (S_ISDIR(status.st_mode)) return Finding::directory;
  return ::access(path.c_str(), X_OK) == 0 ? Finding::usable : Finding::not_executable;
}

std::string resolve_path(const std::string& name, const ProgramSearch& search, const Origin& origin,
                         const std::string& who) {
  std::string path = (fs::path(search.launch_directory) / name).lexically_normal().string();
  switch (examine(path)) {
    case Finding::usable: return path;
    case Finding::directory: throw ConfigError(origin, who + ": '" + path + "' is a directory and not a program");
    case Finding::not_executable: throw ConfigError(origin, who + ": '" + path + "' is not executable; chmod +x it");
    case Finding::missing: break;
  }
  throw ConfigError(origin, who + ": there is no file '" + path + "'");
}

std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> directories;
  std::istringstream in(path);
  // POSIX: an empty element is the current directory.
  for (std::string directory; std::getline(in, directory, ':');) {
    directories.push_back(directory.empty() ? "." : directory);
  }
  return directories;
}

/// Where the programs that come with Sluice are: beside `sluice` in a build tree, apart from it when installed.
std::vector<std::string> shipped_directories(const std::string& own_directory) {
  std::vector<std::string> directories{own_directory};
  const std::string installed = (fs::path(own_directory) / SLUICE_PROGRAMS_FROM_BIN).lexically_normal().string();
  if (examine(installed) == Finding::directory) directories.push_back(installed);
  return directories;
}

std::vector<std::string> programs_in(const std::vector<std::string>& directories) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const std::string& directory : directories) {
    for (const auto& entry : fs::directory_iterator(directory, ignored)) {
      if (examine(entry.path().string()) == Finding::usable) names.push_back(entry.path().filename().string());
    }
  }
  return names;
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

std::string find_program(const std::string& name, const ProgramSearch& search, const Origin& origin,
                         const std::string& who) {
  if (name.empty()) throw ConfigError(origin, who + ": the name of the program is empty");
  if (name.find('/') != std::string::npos) return resolve_path(name, search, origin, who);
  const std::vector<std::string> shipped = shipped_directories(search.own_directory);
  std::vector<std::string> directories = split_path(search.path);
  directories.insert(directories.begin(), shipped.begin(), shipped.end());
  std::string refused;
  for (const std::string& directory : directories) {
    const std::string path = (fs::path(directory) / name).string();
    const Finding finding = examine(path);
    if (finding == Finding::usable) return fs::absolute(path).lexically_normal().string();
    if (finding == Finding::not_executable && refused.empty()) refused = path;
  }
  if (!refused.empty()) throw ConfigError(origin, who + ": '" + refused + "' is not executable; chmod +x it");
  throw ConfigError(origin, who + ": no program '" + name + "' in " + join(shipped) + " or PATH (" + search.path + ")" +
                                did_you_mean(name, programs_in(shipped)));
}

std::string own_directory() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (error) throw SystemError("cannot read '/proc/self/exe'", error.value());
  return self.parent_path().string();
}

}  // namespace sluice::launch
