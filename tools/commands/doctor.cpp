#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include <nlohmann/json.hpp>

#include <sluice/error.hpp>
#include <sluice/shm/access.hpp>
#include <sluice/shm/wait_set.hpp>

#include "commands/commands.hpp"
#include "commands/doctor_checks.hpp"

namespace sluice::commands {

namespace {

const char* text_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok: return "ok";
    case Verdict::warning: return "warning";
    case Verdict::failed: break;
  }
  return "failed";
}

/// --config, or SLUICE_CONFIG.
std::vector<std::string> files_of(const Common& common) {
  if (!common.config_files.empty()) return common.config_files;
  const char* environment = std::getenv("SLUICE_CONFIG");
  if (environment == nullptr || *environment == '\0') return {};
  return {environment};
}

struct Loaded {
  Config config;
  std::string problem;
};

Loaded load(const Common& common) {
  try {
    return {Config::load_or_environment(common.config_files), ""};
  } catch (const Error& error) {
    return {Config(), error.what()};
  }
}

/// What the configured topics take, or one with the defaults when none is configured.
Plan needs_of(const Config& config) {
  std::vector<std::string> topics = config.topic_names();
  if (topics.empty()) topics.push_back("/topic");
  try {
    return make_plan(config, topics, 1);
  } catch (const Error&) {  // check_configuration says what is wrong
    return make_plan(config, {}, 0);
  }
}

std::optional<std::uint64_t> descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
  return limit.rlim_cur;
}

void add_domain(const Config& config, const HostFiles& host, std::vector<Check>& checks) {
  GraphSnapshot graph;
  try {
    graph = read_graph(config.domain());
  } catch (const Error& error) {
    checks.push_back({"records", Verdict::failed, error.what(),
                      "run this as the domain's owner, or share it with 'group' and 'mode'"});
    return;
  }
  checks.push_back(check_records(graph));
  checks.push_back(check_processes(graph));
  checks.push_back(check_pid_namespaces(host, graph));
  checks.push_back(check_leftovers(config.domain().directory(), graph));
}

std::vector<Check> all_checks(const Common& common) {
  const HostFiles host;
  const User user{::geteuid(), shm::user_text(::geteuid())};
  const Loaded loaded = load(common);
  const DomainSettings& domain = loaded.config.domain();
  const Plan needs = needs_of(loaded.config);
  std::vector<Check> checks{check_configuration(loaded.config, files_of(common), loaded.problem), check_plugins(domain),
                            check_runtime_directory(domain, user), check_group(domain),
                            check_space("shared memory", host.shared_memory, needs.new_bytes)};
  if (!domain.runtime_dir.starts_with(host.shared_memory + "/")) {
    checks.push_back(check_space("runtime directory's space", domain.runtime_dir, needs.new_bytes));
  }
  checks.push_back(check_control_group(host, needs.new_bytes));
  checks.push_back(check_descriptors(descriptor_limit(), needs.descriptors + kStandardStreams));
  checks.push_back(check_inotify(host, user));
  checks.push_back(check_futex_waitv(shm::WaitSet::kernel_has_futex_waitv()));
  checks.push_back(check_remove_ipc(host, user));
  checks.push_back(check_governor(host));
  checks.push_back(check_huge_pages(host));
  add_domain(loaded.config, host, checks);
  return checks;
}

void print(const std::vector<Check>& checks, std::size_t failed) {
  std::string names;
  for (const Check& check : checks) {
    std::printf("%-8s %s: %s%s%s\n", text_of(check.verdict), check.name.c_str(), check.found.c_str(),
                check.remedy.empty() ? "" : "; ", check.remedy.c_str());
    if (check.verdict == Verdict::failed) names += (names.empty() ? "" : ", ") + check.name;
  }
  if (failed == 0) {
    std::printf("\nAll %zu checks passed\n", checks.size());
  } else {
    std::printf("\n%zu/%zu check(s) failed\n\nFailed checks: %s\n", failed, checks.size(), names.c_str());
  }
}

}  // namespace

int doctor(const Common& common) {
  const std::vector<Check> checks = all_checks(common);
  const auto failed = static_cast<std::size_t>(
      std::count_if(checks.begin(), checks.end(), [](const Check& check) { return check.verdict == Verdict::failed; }));
  if (common.json) {
    auto json = nlohmann::json::array();
    for (const Check& check : checks) {
      json.push_back({{"name", check.name},
                      {"verdict", text_of(check.verdict)},
                      {"found", check.found},
                      {"remedy", check.remedy}});
    }
    std::cout << nlohmann::json{{"checks", json}, {"failed", failed}}.dump(2) << "\n";
  } else {
    print(checks, failed);
  }
  return failed == 0 ? 0 : 1;
}

}  // namespace sluice::commands
