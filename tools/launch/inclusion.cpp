#include "inclusion.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace sluice::launch {

namespace {

namespace fs = std::filesystem;

// Few files that include one another twice are many; nobody means as many.
constexpr int kMostIncluded = 1000;

}  // namespace

Description Inclusion::enter(const std::string& path, const Origin& place) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) throw ConfigError(place, "there is no launch file '" + path + "'");
  const bool circular = std::any_of(files_.begin(), files_.end(), [&](const std::string& file) {
    return file == path || fs::equivalent(file, path, error);
  });
  if (circular) {
    std::string chain;
    for (const std::string& file : files_) chain += "'" + file + "' -> ";
    throw ConfigError(place, "launch files include each other in a circle: " + chain + "'" + path + "'");
  }
  if (++entered_ > kMostIncluded) {
    throw ConfigError(place, "more than " + std::to_string(kMostIncluded) + " files are included");
  }
  try {
    Description description = load_description(path);
    files_.push_back(path);
    return description;
  } catch (const ConfigError& unusable) {
    throw with_remark(unusable, "; included from " + place.text());
  }
}

ConfigError with_remark(const ConfigError& error, const std::string& remark) {
  const std::string text = error.what();
  const std::string prefix = error.origin().text() + ": ";
  return {error.origin(), (text.rfind(prefix, 0) == 0 ? text.substr(prefix.size()) : text) + remark};
}

}  // namespace sluice::launch
