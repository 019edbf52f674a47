#include "proc_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <sstream>

namespace demo {

namespace {

constexpr std::uint64_t kSectorBytes = 512;  // of /proc/diskstats, whatever the device's own sectors are

bool begins_with(const std::string& text, const std::string& start) { return text.rfind(start, 0) == 0; }

}  // namespace

ProcFile::ProcFile(std::string path) : path_(std::move(path)), fd_(::open(path_.c_str(), O_RDONLY | O_CLOEXEC)) {}

std::string ProcFile::text() {
  std::string all;
  if (!fd_.valid()) return all;
  std::array<char, 16384> part;
  for (;;) {
    const ::ssize_t got = ::pread(fd_.get(), part.data(), part.size(), static_cast<::off_t>(all.size()));
    if (got <= 0) return all;
    all.append(part.data(), static_cast<std::size_t>(got));
  }
}

std::vector<CpuTicks> parse_cpu(const std::string& stat) {
  std::vector<CpuTicks> cpus;
  std::istringstream lines(stat);
  for (std::string line; std::getline(lines, line) && begins_with(line, "cpu");) {
    std::istringstream fields(line);
    std::string name;
    fields >> name;
    CpuTicks ticks;
    // user nice system idle iowait irq softirq steal; the guests that follow are part of user and nice already.
    constexpr int kFields = 8;
    constexpr int kIdle = 3;
    constexpr int kIoWait = 4;
    std::uint64_t value = 0;
    for (int field = 0; field < kFields && fields >> value; ++field) {
      ticks.all += value;
      if (field != kIdle && field != kIoWait) ticks.busy += value;
    }
    cpus.push_back(ticks);
  }
  return cpus;
}

MemorySample parse_memory(const std::string& meminfo) {
  MemorySample sample{};
  const std::map<std::string, std::uint64_t MemorySample::*> wanted{
      {"MemTotal:", &MemorySample::total},         {"MemFree:", &MemorySample::free},
      {"MemAvailable:", &MemorySample::available}, {"Cached:", &MemorySample::cached},
      {"SwapTotal:", &MemorySample::swap_total},   {"SwapFree:", &MemorySample::swap_free}};
  std::istringstream lines(meminfo);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string name;
    std::uint64_t kib = 0;
    if (!(fields >> name >> kib)) continue;
    if (const auto found = wanted.find(name); found != wanted.end()) sample.*(found->second) = kib * 1024;
  }
  return sample;
}

Traffic parse_network(const std::string& net_dev) {
  Traffic traffic;
  std::istringstream lines(net_dev);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;  // one of the two heading lines
    const std::size_t start = line.find_first_not_of(' ');
    if (line.substr(start, colon - start) == "lo") continue;
    std::istringstream fields(line.substr(colon + 1));
    // bytes packets errs drop fifo frame compressed multicast, received and then sent
    std::array<std::uint64_t, 9> value{};
    for (std::uint64_t& field : value) fields >> field;
    if (!fields) continue;
    ++traffic.devices;
    traffic.in += value[0];
    traffic.out += value[8];
  }
  return traffic;
}

Traffic DiskParser::parse(const std::string& diskstats) {
  Traffic traffic;
  std::istringstream lines(diskstats);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    // major minor name, then: reads merged sectors ms, writes merged sectors ms
    std::string major;
    std::string minor;
    std::string name;
    std::array<std::uint64_t, 7> value{};
    fields >> major >> minor >> name;
    for (std::uint64_t& field : value) fields >> field;
    if (!fields || !is_disk(name)) continue;
    ++traffic.devices;
    traffic.in += value[2] * kSectorBytes;
    traffic.out += value[6] * kSectorBytes;
  }
  return traffic;
}

bool DiskParser::is_disk(const std::string& name) {
  const auto [entry, fresh] = known_.emplace(name, false);
  if (!fresh) return entry->second;
  const std::array<const char*, 5> no_disks{"loop", "ram", "zram", "dm-", "md"};  // memory, or made of other disks
  std::error_code error;
  entry->second = std::none_of(no_disks.begin(), no_disks.end(), [&](const char* s) { return begins_with(name, s); }) &&
                  std::filesystem::exists("/sys/block/" + name, error);
  return entry->second;
}

}  // namespace demo
