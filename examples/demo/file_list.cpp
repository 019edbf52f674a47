#include "file_list.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <system_error>

#include <sluice/error.hpp>

namespace demo {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSmallest = 4 * 1024;
constexpr std::uint64_t kLargest = 4 * 1024 * 1024;  // many files are a better demonstration than one
constexpr std::size_t kMostFiles = 2000;             // of one root
constexpr std::size_t kMostEntries = 100'000;        // looked at below one root

/// Walks one root until it has enough.
class Walk {
 public:
  explicit Walk(std::uint64_t wanted) : wanted_(wanted) {}

  void visit(const fs::path& path) {
    std::error_code error;
    const fs::file_status status = fs::symlink_status(path, error);
    if (error) return;
    if (fs::is_directory(status)) visit_directory(path);
    if (fs::is_regular_file(status)) consider(path);
  }

  [[nodiscard]] std::vector<ListedFile> take() { return std::move(files_); }

 private:
  [[nodiscard]] bool enough() const {
    return bytes_ >= wanted_ || files_.size() >= kMostFiles || entries_ >= kMostEntries;
  }

  void visit_directory(const fs::path& directory) {
    std::vector<fs::path> entries;
    std::error_code error;
    for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
      entries.push_back(entry->path());
    }
    std::sort(entries.begin(), entries.end());
    for (const fs::path& entry : entries) {
      if (enough()) return;
      ++entries_;
      visit(entry);
    }
  }

  void consider(const fs::path& path) {
    std::error_code error;
    const std::uint64_t size = fs::file_size(path, error);
    if (error || size < kSmallest || size > kLargest || ::access(path.c_str(), R_OK) != 0) return;
    files_.push_back({path.string(), size});
    bytes_ += size;
  }

  std::uint64_t wanted_;
  std::uint64_t bytes_ = 0;
  std::size_t entries_ = 0;
  std::vector<ListedFile> files_;
};

std::vector<std::string> split(const std::string& roots) {
  std::vector<std::string> parts;
  std::istringstream text(roots);
  for (std::string part; std::getline(text, part, ':');) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

}  // namespace

std::vector<ListedFile> list_files(const std::string& roots, std::uint64_t total) {
  const std::vector<std::string> parts = split(roots);
  std::vector<ListedFile> files;
  for (const std::string& root : parts) {
    Walk walk(total / parts.size() + 1);
    walk.visit(root);
    const std::vector<ListedFile> found = walk.take();
    files.insert(files.end(), found.begin(), found.end());
  }
  if (files.empty()) {
    throw sluice::Error("parameter 'path': below '" + roots + "' there is no readable file of " +
                        std::to_string(kSmallest) + " to " + std::to_string(kLargest) + " bytes; give other paths");
  }
  return files;
}

}  // namespace demo
