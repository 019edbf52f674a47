#include "commands/doctor_checks.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include "support/temporary_directory.hpp"

using namespace sluice::commands;
using sluice::test::TemporaryDirectory;

namespace {

/// A machine of files.
struct Machine {
  TemporaryDirectory directory;
  HostFiles host;
  User user{::geteuid(), "ann"};

  Machine() {
    const std::string& root = directory.path();
    host.shared_memory = root;
    host.proc = root + "/proc";
    host.processors = root + "/cpu";
    host.huge_pages = root + "/shmem_enabled";
    host.systemd = root + "/systemd";
    host.lingering_users = root + "/linger";
    host.systemd_configuration = {root + "/usr", root + "/etc"};
    host.control_groups = {root + "/cgroup", root + "/groups"};
  }

  void write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = directory.path() + "/" + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text << "\n";
  }

  void inotify_limits(int instances, int watches) const {
    write("proc/sys/fs/inotify/max_user_instances", std::to_string(instances));
    write("proc/sys/fs/inotify/max_user_watches", std::to_string(watches));
  }

  /// A process with so many instances, each with so many watches.
  void add_process(int pid, int instances, int watches) const {
    const std::string process = "proc/" + std::to_string(pid);
    std::filesystem::create_directories(directory.path() + "/" + process + "/fd");
    std::filesystem::create_symlink("/dev/null", directory.path() + "/" + process + "/fd/0");
    for (int fd = 3; fd < 3 + instances; ++fd) {
      const std::string number = std::to_string(fd);
      std::filesystem::create_symlink("anon_inode:inotify", directory.path() + "/" + process + "/fd/" + number);
      std::string text = "pos:\t0\nflags:\t02004000";
      for (int watch = 1; watch <= watches; ++watch) text += "\ninotify wd:" + std::to_string(watch) + " ino:1";
      write(process + "/fdinfo/" + number, text);
    }
  }
};

void check(const Check& found, Verdict verdict, const std::string& sentence) {
  CHECK(found.found + (found.remedy.empty() ? "" : "; " + found.remedy) == sentence);
  CHECK(found.verdict == verdict);
}

}  // namespace

TEST_CASE("inotify instances and watches of the user are counted, and the scarce one is named") {
  const Machine machine;
  SECTION("enough") {
    machine.inotify_limits(128, 1000);
    machine.add_process(1, 2, 3);
    machine.add_process(20, 1, 0);
    check(check_inotify(machine.host, machine.user), Verdict::ok, "ann has 3 of 128 instances and 6 of 1000 watches");
  }
  SECTION("somebody else's do not count") {
    machine.inotify_limits(128, 1000);
    machine.add_process(1, 2, 3);
    check(check_inotify(machine.host, {::geteuid() + 1, "bob"}), Verdict::ok,
          "bob has 0 of 128 instances and 0 of 1000 watches");
  }
  SECTION("instances") {
    machine.inotify_limits(10, 1000);
    machine.add_process(1, 9, 1);
    check(check_inotify(machine.host, machine.user), Verdict::warning,
          "ann has 9 of 10 instances and 9 of 1000 watches; raise it: 'sysctl -w fs.inotify.max_user_instances=80'; "
          "processes that get none look for each other every 100 ms instead");
  }
  SECTION("watches") {
    machine.inotify_limits(128, 20);
    machine.add_process(1, 2, 10);
    check(check_inotify(machine.host, machine.user), Verdict::warning,
          "ann has 2 of 128 instances and 20 of 20 watches; raise it: 'sysctl -w fs.inotify.max_user_watches=160'; "
          "processes that get none look for each other every 100 ms instead");
  }
  SECTION("a kernel without") {
    check(check_inotify(machine.host, machine.user), Verdict::warning,
          "this kernel does not tell of inotify (sysctl fs.inotify); without it processes look for each other every "
          "100 ms, which costs a little");
  }
}

TEST_CASE("a control group's memory limit counts") {
  const Machine machine;
  check(check_control_group(machine.host, 1), Verdict::ok, "no control group limits memory");
  machine.write("cgroup", "0::/a");
  machine.write("groups/cgroup.controllers", "memory");
  machine.write("groups/a/memory.max", "4096");
  machine.write("groups/a/memory.current", "1024");
  machine.write("groups/a/memory.stat", "inactive_file 0");
  const std::string left = "3072 bytes (3.0KiB) left by the memory limit of control group /a (memory.max 4096)";
  check(check_control_group(machine.host, 3072), Verdict::ok, left);
  check(check_control_group(machine.host, 3073), Verdict::failed,
        left +
            ", and 3073 bytes (3.0KiB) are needed; raise the limit (systemd: MemoryMax=; of a container: --memory), "
            "or make the topics smaller: shared memory counts");
}

TEST_CASE("descriptors") {
  check(check_descriptors(std::nullopt, 50), Verdict::ok, "unlimited (RLIMIT_NOFILE)");
  const std::string need = " for a process (RLIMIT_NOFILE), and 50 are needed by one that has every topic";
  check(check_descriptors(1024, 50), Verdict::ok, "1024" + need);
  check(check_descriptors(64, 50), Verdict::warning, "64" + need + "; raise 'ulimit -n' to 1024 or more");
  check(check_descriptors(49, 50), Verdict::failed,
        "49" + need + "; raise 'ulimit -n', or divide the topics among processes");
}

TEST_CASE("futex_waitv") {
  check(check_futex_waitv(true), Verdict::ok, "this kernel has it");
  check(check_futex_waitv(false), Verdict::warning,
        "this kernel (before 5.16) or a sandbox does not offer it: who waits for several topics polls every "
        "millisecond; use a newer kernel, or allow system call 449 in the sandbox");
}

TEST_CASE("processor governors") {
  const Machine machine;
  check(check_governor(machine.host), Verdict::ok, "this machine does not say how it chooses frequencies");
  machine.write("cpu/cpu0/cpufreq/scaling_governor", "performance");
  check(check_governor(machine.host), Verdict::ok, "'performance' for 1 of 1 processors");
  machine.write("cpu/cpu1/cpufreq/scaling_governor", "powersave");
  check(check_governor(machine.host), Verdict::warning,
        "'performance' for 1 of 2 processors, 'powersave' for 1 of 2 processors: latency depends on the load; "
        "'cpupower frequency-set -g performance' where it matters");
}

TEST_CASE("huge pages of shared memory") {
  const Machine machine;
  check(check_huge_pages(machine.host), Verdict::ok, "this kernel has none for shared memory");
  machine.write("shmem_enabled", "always within_size advise [never] deny force");
  check(check_huge_pages(machine.host), Verdict::ok, "for shared memory: never");
}

TEST_CASE("RemoveIPC of systemd removes what normal users have in shared memory") {
  Machine machine;
  machine.user.id = 1000;
  check(check_remove_ipc(machine.host, machine.user), Verdict::ok, "systemd does not run this machine");
  machine.write("systemd", "");
  const auto warning = [](const std::string& where) {
    return "yes (" + where +
           "): systemd removes the files of ann in /dev/shm at the last logout, also those in use; set RemoveIPC=no in "
           "/etc/systemd/logind.conf.d/sluice.conf, or 'loginctl enable-linger ann'";
  };
  check(check_remove_ipc(machine.host, machine.user), Verdict::warning, warning("systemd's default"));
  machine.write("usr/logind.conf", "[Login]\n#RemoveIPC=no");
  check(check_remove_ipc(machine.host, machine.user), Verdict::warning, warning("systemd's default"));
  const std::string addition = machine.directory.path() + "/etc/logind.conf.d/50-x.conf";
  machine.write("usr/logind.conf.d/50-x.conf", "RemoveIPC=no");
  machine.write("etc/logind.conf.d/50-x.conf", "RemoveIPC = yes");
  check(check_remove_ipc(machine.host, machine.user), Verdict::warning, warning(addition));
  machine.write("etc/logind.conf.d/50-x.conf", "[Login]\nRemoveIPC=no");
  check(check_remove_ipc(machine.host, machine.user), Verdict::ok, "no (" + addition + ")");
  machine.write("etc/logind.conf.d/50-x.conf", "RemoveIPC=yes");
  machine.write("linger/ann", "");
  check(check_remove_ipc(machine.host, machine.user), Verdict::ok,
        "systemd leaves the files of ann alone: the user lingers");
  check(check_remove_ipc(machine.host, {999, "daemon"}), Verdict::ok,
        "systemd leaves the files of daemon alone: a system user");
}

TEST_CASE("space") {
  const Machine machine;
  const Check enough = check_space("shared memory", machine.directory.path() + "/not/there", 1);
  CHECK(enough.verdict == Verdict::ok);
  CHECK_THAT(enough.found, Catch::Matchers::EndsWith("in " + machine.directory.path()));
  const Check none = check_space("shared memory", machine.directory.path(), std::uint64_t{1} << 62);
  CHECK(none.verdict == Verdict::failed);
  CHECK_THAT(none.found, Catch::Matchers::EndsWith(", and 4611686018427387904 bytes (4194304.0TiB) are needed"));
}
