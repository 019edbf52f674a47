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

/// The paths that substitutions ask for, all absolute.
struct Places {
  std::string directory;  ///< Of the launch file.
  std::string file;       ///< The launch file.
  std::string share;      ///< `share` of this installation.
};

/// What one point of a launch file can see of what came before: a group works on a copy.
class Scope {
 public:
  explicit Scope(Places places) : places_(std::move(places)) {}

  [[nodiscard]] const Places& places() const noexcept { return places_; }
  /// The same in another file.
  void enter_file(std::string directory, std::string file) {
    places_.directory = std::move(directory);
    places_.file = std::move(file);
  }

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
  void unset_environment(const std::string& name) { environment_[name] = std::nullopt; }
  /// What `set_env` and `unset_env` said, otherwise what the launcher inherited.
  [[nodiscard]] std::optional<std::string> environment(const std::string& name) const {
    if (const auto found = environment_.find(name); found != environment_.end()) return found->second;
    if (const char* inherited = std::getenv(name.c_str())) return inherited;
    return std::nullopt;
  }
  /// Absent values are those of `unset_env`.
  [[nodiscard]] const std::map<std::string, std::optional<std::string>>& environment_changes() const noexcept {
    return environment_;
  }

  void set_name_space(std::string name_space) { name_space_ = std::move(name_space); }
  [[nodiscard]] const std::string& name_space() const noexcept { return name_space_; }  ///< "/a/b", or empty.

  /// FROM:=TO and NAME:=VALUE for every node that follows.
  void add_remap(std::string assignment) { remaps_.push_back(std::move(assignment)); }
  void add_parameter(std::string assignment) { parameters_.push_back(std::move(assignment)); }
  [[nodiscard]] const std::vector<std::string>& remaps() const noexcept { return remaps_; }
  [[nodiscard]] const std::vector<std::string>& parameters() const noexcept { return parameters_; }

 private:
  Places places_;
  std::map<std::string, std::string> variables_;
  std::map<std::string, std::optional<std::string>> environment_;
  std::string name_space_;
  std::vector<std::string> remaps_;
  std::vector<std::string> parameters_;
};

}  // namespace sluice::launch
