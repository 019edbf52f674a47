#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace queue_peer {

// What slick_peer.py understands, under the same names; README.md there says what each means.
struct Options {
  std::string name;
  std::uint32_t capacity = 0;  // 0: attach only
  std::uint32_t element = 64;  // bytes
  std::uint64_t seed = 0;
  double timeout = 60;  // seconds, for everything
  std::string start_file;
  std::string stop_file;
  std::string log;
  std::string gaps;  // ours: a line for each stretch that was not delivered: from to lost skipped

  std::uint64_t producer = 1;
  std::pair<std::uint32_t, std::uint32_t> n{1, 1};
  std::optional<std::uint64_t> count;
  std::optional<std::uint64_t> die_after_reserve;
  double rate = 0;  // messages a second; 0: as fast as it goes

  std::string cursor;       // of `steal`: the shared cursor's object
  std::uint64_t start = 0;  // of a private cursor, and of a shared one that is created
  std::optional<double> until_idle;
  double hole_timeout = 0;   // seconds; 0: never
  bool check_sizes = false;  // --n was given: messages of other sizes are torn
  bool in_place = false;     // read, look, ask still_valid; otherwise the copying read
  bool unchecked = false;    // in place, and still_valid is not asked
  bool spin = false;
  std::uint64_t pause_every = 0;  // messages; 0: never
  double pause_ms = 0;
  bool pause_inside = false;  // with half of the message copied, instead of before it is read
};

inline constexpr int kSuccess = 0;
inline constexpr int kRefused = 1;
inline constexpr int kUsage = 2;
inline constexpr int kTimedOut = 3;
inline constexpr int kUnsound = 4;

inline std::chrono::nanoseconds nanoseconds(double seconds) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
}

}  // namespace queue_peer
