#pragma once

#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sluice/error.hpp>

namespace sluice::launch {

/// A value as it was written, with its place; substitutions are not expanded yet.
struct Text {
  std::string text;
  Origin origin;
};

/// What substitutions can see at one point of a launch file.
class Scope {
 public:
  explicit Scope(std::string directory) : directory_(std::move(directory)) {}

  /// The directory of the launch file, absolute.
  [[nodiscard]] const std::string& directory() const noexcept { return directory_; }

  void set_variable(const std::string& name, std::string value) { variables_[name] = std::move(value); }
  [[nodiscard]] const std::string* variable(const std::string& name) const {
    const auto found = variables_.find(name);
    return found == variables_.end() ? nullptr : &found->second;
  }
  [[nodiscard]] std::vector<std::string> variable_names() const {
    std::vector<std::string> names;
    for (const auto& [name, value] : variables_) names.push_back(name);
    return names;
  }

  void set_environment(const std::string& name, std::string value) { environment_[name] = std::move(value); }
  /// What `set_env` said, otherwise what the launcher inherited.
  [[nodiscard]] std::optional<std::string> environment(const std::string& name) const {
    if (const auto found = environment_.find(name); found != environment_.end()) return found->second;
    if (const char* inherited = std::getenv(name.c_str())) return inherited;
    return std::nullopt;
  }
  [[nodiscard]] const std::map<std::string, std::string>& environment_changes() const noexcept { return environment_; }

 private:
  std::string directory_;
  std::map<std::string, std::string> variables_;
  std::map<std::string, std::string> environment_;
};

}  // namespace sluice::launch
