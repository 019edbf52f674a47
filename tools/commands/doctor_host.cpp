#include <filesystem>
#include <fstream>
#include <map>

#include "commands/doctor_checks.hpp"

namespace sluice::commands {

namespace {

/// systemd leaves the files of users below this alone.
constexpr uid_t kFirstNormalUser = 1000;
constexpr uid_t kNobody = 65534;

std::string first_line(const std::string& path) {
  std::string line;
  std::getline(std::ifstream(path), line);
  return line;
}

std::vector<std::string> configuration_files(const std::vector<std::string>& directories) {
  std::string main_file;
  std::map<std::string, std::string> additions;  // by file name: a later directory's hides an earlier one's
  for (const std::string& directory : directories) {
    std::error_code error;
    if (std::filesystem::exists(directory + "/logind.conf", error)) main_file = directory + "/logind.conf";
    for (auto entry = std::filesystem::directory_iterator(directory + "/logind.conf.d", error);
         !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
      if (entry->path().extension() == ".conf") additions[entry->path().filename().string()] = entry->path().string();
    }
  }
  std::vector<std::string> files;
  if (!main_file.empty()) files.push_back(main_file);
  for (const auto& [name, path] : additions) files.push_back(path);
  return files;
}

struct RemoveIpcSetting {
  std::string value = "yes";  ///< systemd's own default.
  std::string file;           ///< Empty: nobody set it.
};

RemoveIpcSetting remove_ipc_setting(const HostFiles& host) {
  RemoveIpcSetting setting;
  for (const std::string& path : configuration_files(host.systemd_configuration)) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
      std::erase_if(line, [](char c) { return c == ' ' || c == '\t' || c == '\r'; });
      constexpr std::string_view kKey = "RemoveIPC=";
      if (line.starts_with(kKey)) setting = {line.substr(kKey.size()), path};
    }
  }
  return setting;
}

bool is_no(const std::string& value) {
  return value == "no" || value == "false" || value == "off" || value == "0" || value == "n" || value == "f";
}

}  // namespace

Check check_futex_waitv(bool kernel_has_it) {
  if (kernel_has_it) return {"futex_waitv", Verdict::ok, "this kernel has it", ""};
  return {"futex_waitv", Verdict::warning,
          "this kernel (before 5.16) or a sandbox does not offer it: who waits for several topics polls every "
          "millisecond",
          "use a newer kernel, or allow system call 449 in the sandbox"};
}

Check check_governor(const HostFiles& host) {
  std::map<std::string, int> governors;
  int processors = 0;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(host.processors, error);
       !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
    const std::string governor = first_line(entry->path().string() + "/cpufreq/scaling_governor");
    if (governor.empty()) continue;
    ++processors;
    ++governors[governor];
  }
  if (processors == 0) {
    return {"processor governor", Verdict::ok, "this machine does not say how it chooses frequencies", ""};
  }
  std::string found;
  for (const auto& [governor, count] : governors) {
    found += (found.empty() ? "'" : ", '") + governor + "' for " + std::to_string(count) + " of " +
             std::to_string(processors) + " processors";
  }
  if (governors.count("performance") != 0 && governors.size() == 1) {
    return {"processor governor", Verdict::ok, found, ""};
  }
  return {"processor governor", Verdict::warning, found + ": latency depends on the load",
          "'cpupower frequency-set -g performance' where it matters"};
}

Check check_huge_pages(const HostFiles& host) {
  const std::string line = first_line(host.huge_pages);
  const std::size_t begin = line.find('[');
  const std::size_t end = line.find(']');
  if (begin == std::string::npos || end == std::string::npos || end < begin) {
    return {"huge pages", Verdict::ok, "this kernel has none for shared memory", ""};
  }
  return {"huge pages", Verdict::ok, "for shared memory: " + line.substr(begin + 1, end - begin - 1), ""};
}

Check check_remove_ipc(const HostFiles& host, const User& user) {
  std::error_code error;
  if (!std::filesystem::exists(host.systemd, error)) {
    return {"RemoveIPC", Verdict::ok, "systemd does not run this machine", ""};
  }
  if (user.id < kFirstNormalUser || user.id == kNobody) {
    return {"RemoveIPC", Verdict::ok, "systemd leaves the files of " + user.name + " alone: a system user", ""};
  }
  if (std::filesystem::exists(host.lingering_users + "/" + user.name, error)) {
    return {"RemoveIPC", Verdict::ok, "systemd leaves the files of " + user.name + " alone: the user lingers", ""};
  }
  const RemoveIpcSetting setting = remove_ipc_setting(host);
  const std::string where = setting.file.empty() ? "systemd's default" : setting.file;
  if (is_no(setting.value)) return {"RemoveIPC", Verdict::ok, setting.value + " (" + where + ")", ""};
  return {"RemoveIPC", Verdict::warning,
          setting.value + " (" + where + "): systemd removes the files of " + user.name +
              " in /dev/shm at the last logout, also those in use",
          "set RemoveIPC=no in /etc/systemd/logind.conf.d/sluice.conf, or 'loginctl enable-linger " + user.name + "'"};
}

}  // namespace sluice::commands
