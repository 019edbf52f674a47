#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace demo {

struct ListedFile {
  std::string path;
  std::uint64_t size = 0;
};

/// Readable regular files of a telling size below `roots` (separated by colons; directories or files), in the order of
/// their names, the same on every run. Symbolic links are not followed. Every root contributes about its share of
/// `total` bytes, so that the first one does not crowd out the others, and the walk ends there. Throws Error when there
/// is none.
[[nodiscard]] std::vector<ListedFile> list_files(const std::string& roots, std::uint64_t total);

}  // namespace demo
