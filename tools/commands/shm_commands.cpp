#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <iostream>

#include <nlohmann/json.hpp>

#include <sluice/config.hpp>
#include <sluice/graph.hpp>
#include <sluice/shm/access.hpp>

#include "commands/commands.hpp"
#include "commands/json_output.hpp"
#include "commands/shm_files.hpp"
#include "commands/table.hpp"

namespace sluice::commands {

namespace {

using nlohmann::json;

/// "3 s", "12 min", "5 h", "9 d".
std::string age_text(double seconds) {
  constexpr double kMinute = 60;
  constexpr double kHour = 60 * kMinute;
  constexpr double kDay = 24 * kHour;
  const auto whole = [](double count, const char* unit) {
    return std::to_string(static_cast<std::uint64_t>(count)) + unit;
  };
  if (seconds < kMinute) return whole(seconds, " s");
  if (seconds < kHour) return whole(seconds / kMinute, " min");
  if (seconds < kDay) return whole(seconds / kHour, " h");
  return whole(seconds / kDay, " d");
}

std::string users_text(const ShmFile& file) {
  if (!file.problem.empty()) return file.problem;
  std::string text;
  for (const auto& process : file.users.processes) {
    text += (text.empty() ? "" : ", ") + process.executable + " (" + std::to_string(process.pid) + ")";
  }
  if (!file.users.complete) text += (text.empty() ? "" : ", ") + std::string("perhaps some that you may not look into");
  if (text.empty()) return file.state == ShmState::alive ? "a process that cannot be seen from here" : "nobody";
  return text;
}

json json_of(const ShmFile& file) {
  json row{{"path", file.path}, {"name", file.name}, {"kind", to_string(file.kind)}, {"bytes", file.bytes}};
  row["size"] = file.size;
  row["uid"] = file.uid;
  row["owner"] = shm::user_text(file.uid);
  row["age_seconds"] = file.age;
  row["state"] = to_string(file.state);
  row["used_by"] = json::array();
  for (const auto& process : file.users.processes) {
    row["used_by"].push_back({{"pid", process.pid}, {"executable", process.executable}});
  }
  row["used_by_complete"] = file.users.complete;
  if (!file.problem.empty()) row["problem"] = file.problem;
  return row;
}

/// What became of a file, or would become of it.
struct Outcome {
  ShmFile file;
  std::string kept_because;  ///< Empty: it is removed.
};

/// Of everything that nobody uses, before anything is done.
std::vector<Outcome> leftovers(const std::string& directory) {
  std::vector<Outcome> outcomes;
  for (ShmFile& file : domain_shm_files(directory)) {
    if (file.state == ShmState::alive) continue;
    std::string problem = file.problem;
    outcomes.push_back({std::move(file), std::move(problem)});
  }
  return outcomes;
}

/// The library decides once more, under locks; here it is put into words.
void remove_all(std::vector<Outcome>& outcomes, const Config& config) {
  remove_leftovers(config);
  struct stat info {};
  for (Outcome& outcome : outcomes) {
    const bool gone = ::lstat(outcome.file.path.c_str(), &info) != 0 && errno == ENOENT;
    if (gone || !outcome.kept_because.empty()) continue;
    outcome.kept_because =
        "somebody came to use it, or you may not remove files of " + shm::user_text(outcome.file.uid);
  }
}

void print_outcomes(const std::vector<Outcome>& outcomes, const char* verb) {
  std::size_t count = 0;
  std::uint64_t bytes = 0;
  for (const auto& [file, kept_because] : outcomes) {
    if (!kept_because.empty()) {
      std::fprintf(stderr, "kept %s: %s\n", file.path.c_str(), kept_because.c_str());
      continue;
    }
    ++count;
    bytes += file.bytes;
    std::printf("%s %s: %s %s, %llu bytes\n", verb, file.path.c_str(), to_string(file.kind), file.name.c_str(),
                static_cast<unsigned long long>(file.bytes));
  }
  std::printf("%s %zu leftover file%s, %llu bytes\n", verb, count, count == 1 ? "" : "s",
              static_cast<unsigned long long>(bytes));
}

}  // namespace

int shm_list(const Common& common) {
  auto files = domain_shm_files(Config::load_or_environment(common.config_files).domain().directory());
  for (ShmFile& file : foreign_shm_files()) files.push_back(std::move(file));
  find_users(files);
  if (common.json) {
    auto rows = json::array();
    for (const ShmFile& file : files) rows.push_back(json_of(file));
    print_json(rows);
    return 0;
  }
  if (files.empty()) return 0;
  Table table;
  table.add({"NAME", "KIND", "BYTES", "OWNER", "AGE", "STATE", "USED BY"});
  for (const ShmFile& file : files) {
    table.add({file.name, to_string(file.kind), std::to_string(file.bytes), shm::user_text(file.uid),
               age_text(file.age), to_string(file.state), users_text(file)});
  }
  table.print();
  return 0;
}

int shm_clean(const Common& common, bool dry_run) {
  const Config config = Config::load_or_environment(common.config_files);
  auto outcomes = leftovers(config.domain().directory());
  if (!dry_run) remove_all(outcomes, config);
  if (!common.json) {
    print_outcomes(outcomes, dry_run ? "would remove" : "removed");
    return 0;
  }
  auto removed = json::array();
  auto kept = json::array();
  for (const auto& [file, kept_because] : outcomes) {
    json row{{"path", file.path}, {"name", file.name}, {"kind", to_string(file.kind)}, {"bytes", file.bytes}};
    if (!kept_because.empty()) row["reason"] = kept_because;
    (kept_because.empty() ? removed : kept).push_back(std::move(row));
  }
  print_json({{dry_run ? "would_remove" : "removed", removed}, {"kept", kept}});
  return 0;
}

}  // namespace sluice::commands
