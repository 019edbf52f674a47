#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <sluice/shm/unique_fd.hpp>

#include "messages.hpp"

/// What the demo reads from /proc. See proc(5).
namespace demo {

/// A file of /proc that stays open; every text() is a new look at it.
class ProcFile {
 public:
  /// A missing file (some containers have no /proc/diskstats) is like an empty one.
  explicit ProcFile(std::string path);
  [[nodiscard]] std::string text();
  [[nodiscard]] bool exists() const noexcept { return fd_.valid(); }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
  sluice::shm::UniqueFd fd_;
};

/// Clock ticks since boot.
struct CpuTicks {
  std::uint64_t busy = 0;
  std::uint64_t all = 0;
};

/// Bytes since boot, over all devices that count.
struct Traffic {
  std::uint64_t devices = 0;
  std::uint64_t in = 0;   ///< Read or received.
  std::uint64_t out = 0;  ///< Written or sent.
};

/// /proc/stat: first all cores together, then one by one.
[[nodiscard]] std::vector<CpuTicks> parse_cpu(const std::string& stat);

/// /proc/meminfo, without the stamp.
[[nodiscard]] MemorySample parse_memory(const std::string& meminfo);

/// /proc/net/dev, without the loopback.
[[nodiscard]] Traffic parse_network(const std::string& net_dev);

/// /proc/diskstats: whole disks only, since a partition's traffic is its disk's too.
class DiskParser {
 public:
  [[nodiscard]] Traffic parse(const std::string& diskstats);

 private:
  [[nodiscard]] bool is_disk(const std::string& name);
  std::map<std::string, bool> known_;  ///< Asking /sys 50 times a second would be work.
};

}  // namespace demo
