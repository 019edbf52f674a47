#pragma once

#ifdef SLUICE_KILL_POINTS
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <sluice/export.hpp>
#include <sluice/shm/atomic.hpp>
#endif

/// SLUICE_KILL_POINT("slick.reserve.granted"): a named place between two stores into shared memory, at which a test may
/// kill or stop the process. Nothing at all unless the build says SLUICE_KILL_POINTS, and such a build cannot be
/// installed. A name is used once and says what was done last.
///
/// What happens at a point comes from the environment of the process:
///
///   SLUICE_KILL_POINT=slick.reserve.granted:3:kill         SIGKILL at the third time that this process gets there
///   SLUICE_KILL_POINT=slick.publish.half:1:stop,slick.commit.fenced:1:kill
///                                                          the second counts from when the first has happened
///   SLUICE_KILL_POINT_COUNTS=/dev/shm/counts               a file of sizeof(KillPointCounts) bytes, zeros at first
///
/// The call is opaque to the compiler, so stores stay on their side of it. The processor needs no telling: the system
/// call that ends or stops the process waits for its stores.
#ifdef SLUICE_KILL_POINTS

#define SLUICE_KILL_POINT(name) ::sluice::shm::reach_kill_point(name)

namespace sluice::shm {

/// Whether this build has kill points.
inline constexpr bool kKillPoints = true;

/// What all processes of a campaign did at one point.
struct KillPointCount {
  SharedAtomic<std::uint64_t> key;      ///< kill_point_key of its name; 0: unused.
  SharedAtomic<std::uint64_t> hits;     ///< Times that a process got there.
  SharedAtomic<std::uint64_t> killed;   ///< Processes that ended there.
  SharedAtomic<std::uint64_t> stopped;  ///< Processes that stopped there.
};

/// A hash table in a file that all processes map, so that what a killed process counted is there. A place is taken by
/// one CAS of its key: dying anywhere leaves the table whole.
struct KillPointCounts {
  static constexpr std::size_t kPlaces = 1024;  ///< More than there are points.
  KillPointCount places[kPlaces];               ///< A point is at its key, or at the next free place behind.

  /// The point's place, taken now if it has none yet.
  [[nodiscard]] KillPointCount& of(std::uint64_t key) noexcept {
    for (std::uint64_t k = key;; ++k) {
      KillPointCount& place = places[k % kPlaces];
      std::uint64_t found = 0;
      if (place.key.compare_exchange_acq_rel(found, key) || found == key) return place;
    }
  }
};

/// FNV-1a, never 0.
[[nodiscard]] constexpr std::uint64_t kill_point_key(std::string_view name) noexcept {
  std::uint64_t key = 0xCBF29CE484222325U;
  for (const char c : name) key = (key ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  return key == 0 ? 1 : key;
}

/// Counts, then does what the environment asks for at this point; see SLUICE_KILL_POINT.
SLUICE_EXPORT void reach_kill_point(std::string_view name) noexcept;

}  // namespace sluice::shm

#else

#define SLUICE_KILL_POINT(name) static_cast<void>(0)

namespace sluice::shm {

/// Whether this build has kill points.
inline constexpr bool kKillPoints = false;

}  // namespace sluice::shm

#endif
