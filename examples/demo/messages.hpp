#pragma once

#include <array>
#include <cstdint>

/// The fixed-size messages of the demo. What is sent is the struct as it stands in memory, so every member has a fixed
/// width and the padding is spelled out.
namespace demo {

inline constexpr std::uint32_t kMostCores = 128;

/// /host/cpu: how busy the processors were during the last second.
struct CpuSample {
  std::uint64_t stamp_ns;  ///< CLOCK_MONOTONIC.
  std::uint32_t cores;     ///< Entries of `core_percent` that are in use.
  float busy_percent;      ///< All cores together, 0 to 100.
  std::array<float, kMostCores> core_percent;
};

/// /host/memory: /proc/meminfo in bytes.
struct MemorySample {
  std::uint64_t stamp_ns;
  std::uint64_t total;
  std::uint64_t available;
  std::uint64_t free;
  std::uint64_t cached;
  std::uint64_t swap_total;
  std::uint64_t swap_free;
};

/// /host/disk: all whole disks together; rates over the last second, sums since boot.
struct DiskSample {
  std::uint64_t stamp_ns;
  std::uint64_t disks;
  std::uint64_t bytes_read;
  std::uint64_t bytes_written;
  double read_per_second;   ///< Bytes.
  double write_per_second;  ///< Bytes.
};

/// /host/network: all interfaces but the loopback together; rates over the last second, sums since boot.
struct NetworkSample {
  std::uint64_t stamp_ns;
  std::uint64_t interfaces;
  std::uint64_t bytes_received;
  std::uint64_t bytes_sent;
  double receive_per_second;  ///< Bytes.
  double send_per_second;     ///< Bytes.
};

/// /file/progress: what the sink has so far.
struct Progress {
  std::uint64_t stamp_ns;
  std::uint64_t messages;
  std::uint64_t bytes;
  std::uint64_t files_matched;
  std::uint64_t files_mismatched;
};

}  // namespace demo
