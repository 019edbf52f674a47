#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sluice/config.hpp>
#include <sluice/graph.hpp>
#include <sluice/shm/memory_space.hpp>

#include "commands/plan.hpp"

/// The checks of `sluice doctor`. Each looks at one thing, changes nothing, and does not throw for what it finds.
namespace sluice::commands {

enum class Verdict : std::uint8_t {
  ok,
  warning,  ///< It works, but not as well as it could, or not for long.
  failed,   ///< Something does not work.
};

/// What came of a check.
struct Check {
  std::string name;
  Verdict verdict = Verdict::ok;
  std::string found;   ///< For people: what it is, with the values.
  std::string remedy;  ///< What to do; empty when nothing has to be done.
};

/// Where the host tells about itself.
struct HostFiles {
  std::string shared_memory = "/dev/shm";
  std::string proc = "/proc";
  std::string processors = "/sys/devices/system/cpu";
  std::string huge_pages = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
  std::string systemd = "/run/systemd/system";              ///< There when systemd runs the machine.
  std::string lingering_users = "/var/lib/systemd/linger";  ///< A file for each.
  std::vector<std::string> systemd_configuration{"/usr/lib/systemd", "/usr/local/lib/systemd", "/run/systemd",
                                                 "/etc/systemd"};  ///< Later ones override earlier ones.
  shm::ControlGroupFiles control_groups;
};

/// Somebody's credentials.
struct User {
  uid_t id = 0;
  std::string name;
};

// The host: doctor_host.cpp, doctor_limits.cpp.

/// Whether `needed` more bytes fit into the file system of `directory`, or of the nearest directory above it.
[[nodiscard]] Check check_space(const std::string& name, const std::string& directory, std::uint64_t needed);
[[nodiscard]] Check check_control_group(const HostFiles& host, std::uint64_t needed);

/// `limit`: of one process; nothing: none is set.
[[nodiscard]] Check check_descriptors(std::optional<std::uint64_t> limit, std::uint64_t needed);
[[nodiscard]] Check check_inotify(const HostFiles& host, const User& user);
[[nodiscard]] Check check_futex_waitv(bool kernel_has_it);
[[nodiscard]] Check check_governor(const HostFiles& host);
[[nodiscard]] Check check_huge_pages(const HostFiles& host);
[[nodiscard]] Check check_remove_ipc(const HostFiles& host, const User& user);

// The domain: doctor_domain.cpp, doctor_directory.cpp.

/// Whether the domain's directories are there or can be made, and belong to whom they should.
[[nodiscard]] Check check_runtime_directory(const DomainSettings& domain, const User& user);
[[nodiscard]] Check check_group(const DomainSettings& domain);
[[nodiscard]] Check check_plugins(const DomainSettings& domain);

/// `problem`: why the files could not be loaded; empty when they could.
[[nodiscard]] Check check_configuration(const Config& config, const std::vector<std::string>& files,
                                        const std::string& problem);
[[nodiscard]] Check check_records(const GraphSnapshot& graph);
[[nodiscard]] Check check_processes(const GraphSnapshot& graph);
[[nodiscard]] Check check_pid_namespaces(const HostFiles& host, const GraphSnapshot& graph);
[[nodiscard]] Check check_leftovers(const std::string& domain_directory, const GraphSnapshot& graph);

/// "process 12 (camera)".
[[nodiscard]] std::string name_of(const ProcessInfo& process);

/// The inode behind /proc/PID/ns/KIND; 0: not known.
[[nodiscard]] std::uint64_t namespace_of(const std::string& proc, const std::string& pid, const std::string& kind);

/// Byte 0 of every Sluice file is held by whoever uses it: exclusively by a process record's owner, shared by a topic's
/// endpoints.
[[nodiscard]] bool in_use(const std::string& path);

/// "late" processes: what to do about it.
[[nodiscard]] std::string remedy_of_lateness(const ProcessInfo& process);

}  // namespace sluice::commands
