#include "kill_points/source_points.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace sluice::kill_points {

namespace {

void find_in(const std::filesystem::path& file, std::vector<std::string>& points) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  const std::string all = text.str();
  const std::string macro = "SLUICE_KILL_POINT(\"";
  for (std::size_t at = all.find(macro); at != std::string::npos; at = all.find(macro, at + 1)) {
    const std::size_t comment = all.rfind("//", at);
    const std::size_t line = all.rfind('\n', at);
    if (comment != std::string::npos && (line == std::string::npos || comment > line)) continue;
    const std::size_t begin = at + macro.size();
    points.push_back(all.substr(begin, all.find('"', begin) - begin));
  }
}

}  // namespace

std::vector<std::string> source_points() {
  std::vector<std::string> points;
  for (const char* folder : {"/transport", "/plugins"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(std::string(SLUICE_SOURCE) + folder)) {
      if (entry.path().extension() == ".cpp" || entry.path().extension() == ".hpp") find_in(entry.path(), points);
    }
  }
  std::sort(points.begin(), points.end());
  const auto twice = std::adjacent_find(points.begin(), points.end());
  if (twice != points.end()) throw std::runtime_error("kill point '" + *twice + "' is there twice");
  return points;
}

}  // namespace sluice::kill_points
