#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sluice/export.hpp>
#include <sluice/slick/layout.hpp>

namespace sluice::slick {

/// What a SlickQueue segment looks like from outside. Read without mapping it, so that looking changes nothing; while
/// programs use the segment the numbers are of slightly different moments.
struct SegmentInfo {
  std::string path;                             ///< "/dev/shm/ticks".
  std::string problem;                          ///< Why no program can use it; empty: nothing wrong.
  std::uint64_t file_size = 0;                  ///< In bytes.
  std::uint32_t mode = 0;                       ///< Rights, e.g. 0644.
  std::uint32_t uid = 0;                        ///< Of the owner.
  std::uint32_t capacity = 0;                   ///< In elements.
  std::uint32_t element_size = 0;               ///< In bytes.
  InitState state = InitState::unversioned;     ///< What the creator said about itself.
  bool tracks_last_published = false;           ///< Created as 1.4.0 does.
  std::uint64_t reserved = 0;                   ///< Index after the latest reservation.
  std::uint64_t reserved_size = 0;              ///< Elements of the latest reservation.
  std::optional<std::uint64_t> last_published;  ///< As the header says; other versions' producers do not maintain it.
  std::optional<std::uint64_t> newest;          ///< Index of the newest published message, from the slots.
  std::uint64_t messages = 0;                   ///< Published and not overwritten.
  std::uint64_t holes = 0;  ///< Elements reserved, within the last lap, that no message or wrap marker covers.

  /// "1.4.0", "1.3.0 or adopted", "1.2.x or Python".
  [[nodiscard]] SLUICE_EXPORT std::string written_by() const;
};

/// Looks at one segment by name ("ticks" or "/ticks"). Throws Error if there is none, with the nearest existing one, or
/// if it cannot be read.
[[nodiscard]] SLUICE_EXPORT SegmentInfo inspect_segment(const std::string& name);

/// Every file in /dev/shm that is a SlickQueue segment of whatever program, by name. Files that merely could be one
/// (too short, damaged) are not listed.
[[nodiscard]] SLUICE_EXPORT std::vector<SegmentInfo> list_segments();

/// The processes that have a file mapped.
struct Mappers {
  /// One of them.
  struct Process {
    pid_t pid = 0;           ///< In our PID namespace.
    std::string executable;  ///< As /proc/PID/comm says: at most 15 characters.
  };

  std::vector<Process> processes;  ///< In no order.
  bool complete = true;            ///< False: some processes may not be looked into, so there may be more.
};

/// Who has the file at `path` mapped now, as /proc/PID/maps says. Nobody if there is no such file.
[[nodiscard]] SLUICE_EXPORT Mappers who_maps(const std::string& path);

/// The same of several files, in their order: /proc is read once for all of them.
[[nodiscard]] SLUICE_EXPORT std::vector<Mappers> who_maps(const std::vector<std::string>& paths);

}  // namespace sluice::slick
