#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include <sluice/error.hpp>
#include <sluice/shm/file_lock.hpp>
#include <sluice/transport_registry.hpp>

#include "commands/doctor_checks.hpp"

namespace sluice::commands {

namespace {

std::string count_text(std::size_t count, const std::string& one, const std::string& several) {
  return std::to_string(count) + " " + (count == 1 ? one : several);
}

std::string joined(const std::vector<std::string>& texts, const char* between) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : between) + text;
  return all;
}

/// Files of the domain that no living process uses.
std::vector<std::string> unused_files(const std::string& directory) {
  std::vector<std::string> unused;
  std::error_code error;
  for (auto entry = std::filesystem::recursive_directory_iterator(directory, error);
       !error && entry != std::filesystem::recursive_directory_iterator{}; entry.increment(error)) {
    struct stat info {};
    const std::string path = entry->path().string();
    if (::lstat(path.c_str(), &info) != 0 || S_ISDIR(info.st_mode) || in_use(path)) continue;
    unused.push_back(path);
  }
  std::sort(unused.begin(), unused.end());
  return unused;
}

}  // namespace

bool in_use(const std::string& path) {
  constexpr std::string_view kSocket = ".control";  // goes with the record beside it
  const bool socket = path.ends_with(kSocket);
  const std::string file = socket ? path.substr(0, path.size() - kSocket.size()) + ".process" : path;
  try {
    return shm::FileLock::open(file, true).held_by_other({0, 1});
  } catch (const SystemError& error) {
    return error.code() == EACCES;  // somebody else's, and not known to be left over
  } catch (const Error&) {
    return false;
  }
}

std::uint64_t namespace_of(const std::string& proc, const std::string& pid, const std::string& kind) {
  struct stat info {};
  return ::stat((proc + "/" + pid + "/ns/" + kind).c_str(), &info) == 0 ? info.st_ino : 0;
}

std::string name_of(const ProcessInfo& process) {
  return "process " + std::to_string(process.pid) + " (" + process.executable + ")";
}

std::string remedy_of_lateness(const ProcessInfo& process) {
  const std::string pid = std::to_string(process.pid);
  if (process.late_because.find("stopped") != std::string::npos) {
    return "let it go on with 'kill -CONT " + pid + "', or from the debugger that holds it";
  }
  if (process.late_because.find("callback") != std::string::npos) {
    return "see where it stands with 'gdb -p " + pid + "'; long work belongs on a thread of its own";
  }
  return "see whether it gets processor time ('top -p " + pid + "') or is frozen in its control group";
}

Check check_plugins(const DomainSettings& domain) try {
  const TransportRegistry registry(domain.plugin_path);
  std::vector<std::string> broken;
  for (const PluginInfo& plugin : registry.plugins()) {
    if (!plugin.error.empty()) broken.push_back("plugin '" + plugin.path + "' " + plugin.error);
  }
  if (!broken.empty()) {
    return {"plugins", Verdict::failed, joined(broken, "; "), "build it anew against this Sluice, or remove it"};
  }
  return {"plugins", Verdict::ok, joined(registry.names(), ", "), ""};
} catch (const Error& error) {
  return {"plugins", Verdict::failed, error.what(), "correct 'plugin_path' or SLUICE_PLUGIN_PATH"};
}

Check check_configuration(const Config& config, const std::vector<std::string>& files, const std::string& problem) {
  const std::string remedy = "correct it; 'sluice config check' looks at it alone";
  if (!problem.empty()) return {"configuration", Verdict::failed, problem, remedy};
  try {
    TransportRegistry transports(config.domain().plugin_path);
    for (const std::string& name : config.topic_names()) transports.check(config.topic(name));
  } catch (const Error& error) {
    return {"configuration", Verdict::failed, error.what(), remedy};
  }
  if (files.empty()) return {"configuration", Verdict::ok, "no files: every topic has the defaults", ""};
  return {"configuration", Verdict::ok,
          joined(files, ", ") + ": " + count_text(config.topic_names().size(), "topic", "topics"), ""};
}

Check check_records(const GraphSnapshot& graph) {
  if (graph.problems.empty()) return {"records", Verdict::ok, "every process's record can be read", ""};
  return {"records", Verdict::failed, joined(graph.problems, "; "),
          "build all programs with one version of Sluice, and end those that have another"};
}

Check check_processes(const GraphSnapshot& graph) {
  std::vector<std::string> late;
  std::string remedy;
  for (const ProcessInfo& process : graph.processes) {
    if (process.liveliness != Liveliness::late) continue;
    late.push_back(name_of(process) + " is late: " + process.late_because);
    if (remedy.empty()) remedy = remedy_of_lateness(process);
  }
  if (!late.empty()) return {"processes", Verdict::failed, joined(late, "; "), remedy};
  return {"processes", Verdict::ok, count_text(graph.processes.size(), "process", "processes") + ", none late", ""};
}

Check check_pid_namespaces(const HostFiles& host, const GraphSnapshot& graph) {
  const std::uint64_t ours = namespace_of(host.proc, "self", "pid");
  std::vector<std::string> others;
  for (const ProcessInfo& process : graph.processes) {
    if (ours == 0 || process.pid_namespace == 0 || process.pid_namespace == ours) continue;
    others.push_back(name_of(process));
  }
  if (others.empty()) return {"PID namespaces", Verdict::ok, "no process is in another one than this", ""};
  return {"PID namespaces", Verdict::warning,
          joined(others, ", ") + (others.size() == 1 ? " is" : " are") +
              " in another PID namespace: data flows, but the number means nothing here",
          "look at such processes from within their container"};
}

Check check_leftovers(const std::string& domain_directory, const GraphSnapshot& graph) {
  std::vector<std::string> dead;
  for (const ProcessInfo& process : graph.lost) dead.push_back(name_of(process));
  const std::vector<std::string> unused = unused_files(domain_directory);
  if (unused.empty()) return {"leftovers", Verdict::ok, "none of dead processes", ""};
  std::string found =
      count_text(unused.size(), "file is", "files are") + " used by nobody, such as '" + unused.front() + "'";
  if (!dead.empty()) found += "; died without leaving: " + joined(dead, ", ");
  return {"leftovers", Verdict::warning, found, "remove them with 'sluice shm clean'"};
}

}  // namespace sluice::commands
