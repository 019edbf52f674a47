#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <sluice/error.hpp>

#include "tools/launch/resolve.hpp"

namespace launch_test {

/// The text of the error that `action` throws, or "no error".
template <typename Action>
std::string error_of(Action&& action) {
  try {
    action();
  } catch (const sluice::Error& error) {
    return error.what();
  }
  return "no error";
}

inline sluice::launch::Plan plan_of(const std::string& yaml, const std::vector<std::string>& assignments = {}) {
  using namespace sluice::launch;
  return resolve(parse_description(yaml, "demo.yaml", "/demo"), assignments, "/demo/bin");
}

inline std::string plan_error(const std::string& yaml, const std::vector<std::string>& assignments = {}) {
  return error_of([&] { (void)plan_of(yaml, assignments); });
}

inline const sluice::launch::PlannedProcess& process(const sluice::launch::Plan& plan, std::size_t step = 0) {
  return std::get<sluice::launch::PlannedProcess>(plan.steps.at(step));
}

/// What the plan would log, in order.
inline std::vector<std::string> messages(const sluice::launch::Plan& plan) {
  std::vector<std::string> messages;
  for (const auto& step : plan.steps) {
    if (const auto* log = std::get_if<sluice::launch::PlannedLog>(&step)) messages.push_back(log->message);
  }
  return messages;
}

/// A directory with files to point at, removed at the end.
class Files {
 public:
  Files() {
    char name[] = "/tmp/sluice_launch_XXXXXX";
    directory_ = ::mkdtemp(name);
    add("bin/talker", 0755);
    add("bin/listener", 0755);
    add("bin/plain", 0644);
    add("path/tool", 0755);
    add("topics.yaml", 0644);
    add("extra.yaml", 0644);
  }
  ~Files() { std::filesystem::remove_all(directory_); }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  [[nodiscard]] std::string at(const std::string& name) const { return directory_ + "/" + name; }
  [[nodiscard]] sluice::launch::Plan plan(const std::string& yaml,
                                          const std::vector<std::string>& assignments = {}) const {
    using namespace sluice::launch;
    return resolve(parse_description(yaml, "demo.yaml", directory_), assignments, at("bin"));
  }
  [[nodiscard]] std::string error(const std::string& yaml) const {
    return error_of([&] { (void)plan(yaml); });
  }
  void add(const std::string& name, mode_t mode, const std::string& text = "x\n") const {
    std::filesystem::create_directories(std::filesystem::path(at(name)).parent_path());
    std::ofstream(at(name)) << text;
    ::chmod(at(name).c_str(), mode);
  }

 private:
  std::string directory_;
};

}  // namespace launch_test
