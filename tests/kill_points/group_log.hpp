#pragma once

#include <array>
#include <cstdint>

#include "stress/stress_support.hpp"

namespace sluice::kill_points {

inline constexpr std::size_t kGroupWriters = 8;           ///< Publishers whose messages are counted one by one,
inline constexpr std::size_t kGroupMessages = 1U << 16U;  ///< so many of each.
inline constexpr std::size_t kGroupMembers = 128;         ///< Incarnations.
inline constexpr const char* kGroupName = "kill_points";

/// A member's own log, stored so that it is right when its process is killed.
struct MemberLog {
  stress::Word opened;
  stress::Word acknowledged;
  stress::Word releasing;  ///< The message that it is giving back: writer << 32 | sequence, plus 1; 0: none.
  stress::Word torn;
  stress::Word finished;
  // Its books at its end.
  stress::Word received;
  stress::Word redelivered;
  stress::Word lost;
  stress::Word skipped;
  stress::Word joined;
  stress::Word reserved;
  stress::Word evictions;
};

/// What the members of a group had, message by message.
struct GroupLog {
  using Count = shm::SharedAtomic<std::uint32_t>;
  using Counts = std::array<std::array<Count, kGroupMessages>, kGroupWriters>;

  stress::Word count;  ///< Of members that have begun so far; 0 is the untouched one.
  std::array<MemberLog, kGroupMembers> members;
  Counts fresh;         ///< Deliveries that were not marked as repeated.
  Counts acknowledged;  ///< Messages given back.
};

}  // namespace sluice::kill_points
