#pragma once

#include <chrono>
#include <cstdint>

#include <sluice/eshm/layout.hpp>
#include <sluice/eshm/segment.hpp>
#include <sluice/export.hpp>
#include <sluice/shm/file_lock.hpp>

namespace sluice::eshm {

/// The words that one side owns in the header.
struct SideWords {
  shm::SharedAtomic<std::uint64_t>& heartbeat;  ///< In milliseconds; readers only ask whether it moves.
  shm::SharedAtomic<std::uint32_t>& pid;        ///< For people.
  shm::SharedAtomic<std::uint32_t>& alive;      ///< 0 or 1.
};

/// The words of `side` in `header`.
[[nodiscard]] inline SideWords side_words(Header& header, Side side) noexcept {
  if (side == Side::master) return {header.master_heartbeat, header.master_pid, header.master_alive};
  return {header.slave_heartbeat, header.slave_pid, header.slave_alive};
}

/// What is known of the program on the other side.
enum class RemoteState : std::uint8_t {
  unknown,  ///< Nobody has been there yet.
  alive,    ///< Its heartbeat moves.
  stale,    ///< Its heartbeat has stood still for the threshold: stopped, hung or dead.
  dead,     ///< It said goodbye, or the kernel released its lock.
};

/// "alive", "stale", ...
[[nodiscard]] SLUICE_EXPORT const char* name_of(RemoteState state) noexcept;

/// How often a heartbeat is due for peers that wait for `stale_threshold_ms`: a tenth of it, between 1 and 10 ms.
[[nodiscard]] SLUICE_EXPORT std::chrono::nanoseconds beat_period(std::uint32_t stale_threshold_ms) noexcept;

/// Watches one side of a segment from outside. Time is CLOCK_MONOTONIC; a watcher that was itself kept from looking
/// does not hold that against the other side.
class SLUICE_EXPORT RemoteWatch {
 public:
  RemoteWatch() = default;

  /// Of `side` in a segment that outlives the watch. `threshold` zero: as the segment says.
  RemoteWatch(const Header& header, Side side, std::chrono::milliseconds threshold) noexcept;

  /// Looks; `lock` is a description of the segment's file that does not itself hold the side's presence. Call every
  /// beat_period.
  RemoteState look(std::int64_t now_ns, const shm::FileLock& lock) noexcept;

  /// As of the last look.
  [[nodiscard]] RemoteState state() const noexcept { return state_; }

  /// How long the heartbeat has stood still, as of the last look.
  [[nodiscard]] std::chrono::nanoseconds silence() const noexcept {
    return std::chrono::nanoseconds(looked_ns_ - moved_ns_);
  }

  /// In force now.
  [[nodiscard]] std::chrono::milliseconds threshold() const noexcept;

 private:
  const Header* header_ = nullptr;
  const shm::SharedAtomic<std::uint64_t>* heartbeat_ = nullptr;
  const shm::SharedAtomic<std::uint32_t>* alive_ = nullptr;
  const shm::SharedAtomic<std::uint32_t>* pid_ = nullptr;
  shm::ByteRange lock_;
  std::chrono::milliseconds threshold_{};
  std::uint64_t last_heartbeat_ = 0;
  std::int64_t moved_ns_ = 0;
  std::int64_t looked_ns_ = 0;
  bool moved_once_ = false;
  bool held_lock_ = false;  ///< A program of ours, whose death is the release of its lock.
  RemoteState state_ = RemoteState::unknown;
};

/// Whether a side of a segment is occupied by a living program.
enum class Occupied : std::uint8_t {
  no,         ///< Nobody is there, or whoever was is dead.
  by_ours,    ///< A program of ours holds its lock.
  by_others,  ///< Its heartbeat moves, without a lock.
};

/// Finds out. Waits, if it must be seen whether the heartbeat moves: for longer than the threshold; if the pid that was
/// left names no process here, for some of the original's 1 ms beats only. `lock` must not itself hold the presence.
[[nodiscard]] SLUICE_EXPORT Occupied who_occupies(Header& header, Side side, const shm::FileLock& lock);

/// Being there on one side: the alive flag, the pid and the heartbeat. Made by who holds the side's presence lock.
class SLUICE_EXPORT Presence {
 public:
  Presence() = default;

  /// Begins to be there. A master counts a new generation, unless the office was handed over in order.
  Presence(const Segment& segment, Side side, bool beats) noexcept;

  /// Writes what Presence does into a segment that has no name yet.
  static void announce_in_new(Header& header, Side side) noexcept;

  /// Continues what announce_in_new began.
  [[nodiscard]] static Presence of_creator(const Segment& segment, Side side) noexcept;

  /// Adds the elapsed milliseconds to the heartbeat.
  void beat(std::int64_t now_ns) noexcept;

  /// Ends it; `others_stay`: others of this side will take the office over, so the side stays alive meanwhile.
  void leave(bool others_stay) noexcept;

 private:
  Header* header_ = nullptr;
  Side side_ = Side::master;
  std::int64_t beaten_ns_ = 0;  ///< The heartbeat tells the time up to here.
};

}  // namespace sluice::eshm
