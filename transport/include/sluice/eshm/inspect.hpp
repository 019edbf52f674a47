#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <sluice/eshm/presence.hpp>
#include <sluice/eshm/segment.hpp>
#include <sluice/export.hpp>

namespace sluice::eshm {

/// One side of a channel, seen from outside.
struct SideInfo {
  RemoteState state = RemoteState::unknown;  ///< unknown: nobody has been there.
  std::uint32_t pid = 0;                     ///< As the header says; of its own PID namespace.
  bool ours = false;                         ///< A program of ours holds its lock.
  std::uint64_t heartbeat = 0;               ///< In milliseconds since some start of it.
  std::chrono::nanoseconds silence{};        ///< How long it stood still while we looked.
};

/// One direction of a channel, seen from outside.
struct DirectionInfo {
  std::uint32_t sequence = 0;     ///< Odd: a write is in progress, or its writer died.
  std::uint32_t data_size = 0;    ///< Of the latest message, in bytes.
  std::uint64_t write_count = 0;  ///< Completed writes.
  std::uint64_t read_count = 0;   ///< Messages that readers took.
};

/// What a channel looks like from outside. Looking changes nothing.
struct ChannelInfo {
  std::string path;                   ///< "/dev/shm/eshm_robot".
  std::string problem;                ///< Why no program can use it; empty: nothing wrong.
  std::uint64_t file_size = 0;        ///< In bytes.
  std::uint32_t mode = 0;             ///< Rights, e.g. 0600.
  std::uint32_t uid = 0;              ///< Of the owner.
  std::uint32_t version = 0;          ///< 2 or 3.
  MaxSizes max_sizes;                 ///< For messages of what size it was made.
  std::uint32_t stale_threshold = 0;  ///< In milliseconds.
  std::uint32_t generation = 0;       ///< Counts the masters' starts.
  SideInfo master;                    ///< Who writes master_to_slave.
  SideInfo slave;                     ///< Who writes slave_to_master.
  DirectionInfo master_to_slave;      ///< Meaningful if max_sizes has one size, or holds the default's.
  DirectionInfo slave_to_master;      ///< As master_to_slave.
};

/// Every /dev/shm/eshm_* of whatever program, by name. Watches their heartbeats for `watch` at most (all at once).
[[nodiscard]] SLUICE_EXPORT std::vector<ChannelInfo> list_channels(
    std::chrono::nanoseconds watch = std::chrono::milliseconds{150});

/// One of them by name ("robot"). Throws Error if there is none, with the nearest existing one.
[[nodiscard]] SLUICE_EXPORT ChannelInfo
inspect_channel(const std::string& name, std::chrono::nanoseconds watch = std::chrono::milliseconds{150});

/// Unlinks a channel that is provably dead: it has the magic (or none yet, and is older than a creator needs to write
/// it), nobody of ours uses it, and no heartbeat moves for longer than the threshold. Whether it did. Waits as long
/// as that takes, kills nobody, and never throws.
SLUICE_EXPORT bool remove_dead_channel(const std::string& path) noexcept;

}  // namespace sluice::eshm
