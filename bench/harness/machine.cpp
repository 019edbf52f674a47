#include "harness/machine.hpp"

#include <sys/utsname.h>

#include <fstream>
#include <thread>

#include "harness/two_sides.hpp"

namespace sluice::bench {

namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return {};
}

bool is_virtual() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("flags", 0) == 0) return line.find(" hypervisor") != std::string::npos;
  }
  return false;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> describe_machine() {
  utsname system{};
  ::uname(&system);
  const std::string cpu = "/sys/devices/system/cpu/cpu0/";
  std::vector<std::pair<std::string, std::string>> facts{
      {"processor", processor()},
      {"cores", std::to_string(std::thread::hardware_concurrency()) + ", usable " + std::to_string(usable_cores())},
      {"virtual machine", is_virtual() ? "yes" : "no"},
      {"kernel", std::string(system.sysname) + " " + system.release + " " + system.machine},
      {"frequency governor", first_line(cpu + "cpufreq/scaling_governor")},
      {"idle driver", first_line("/sys/devices/system/cpu/cpuidle/current_driver")},
      {"transparent huge pages", first_line("/sys/kernel/mm/transparent_hugepage/enabled")},
      {"huge pages in shared memory", first_line("/sys/kernel/mm/transparent_hugepage/shmem_enabled")},
      {"compiler", __VERSION__},
  };
  std::erase_if(facts, [](const auto& fact) { return fact.second.empty(); });
  return facts;
}

}  // namespace sluice::bench
