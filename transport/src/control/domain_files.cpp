#include "control/domain_files.hpp"

#include <filesystem>

#include <sluice/error.hpp>

namespace sluice::detail {

std::vector<std::string> domain_files(const std::string& directory) {
  std::vector<std::string> files;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(directory, error);
       !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
    files.push_back(entry->path().string());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    throw SystemError("cannot read the domain's directory '" + directory +
                          "' (another user's? see 'mode' and 'group' in config/README.md)",
                      error.value());
  }
  return files;
}

}  // namespace sluice::detail
