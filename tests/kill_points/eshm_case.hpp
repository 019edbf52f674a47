#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sluice/eshm/layout.hpp>

#include "kill_points/scenarios.hpp"
#include "kill_points/topic_case.hpp"

namespace sluice::kill_points {

/// A way to bring a master or a slave of an ESHM channel to some points, with a partner that nobody touches on the
/// other side.
struct EshmScenario {
  /// What the victim finds.
  enum class Found { nothing, dead_master, dead_channel, channel_of_other_size };

  std::string name;
  eshm::Side victim = eshm::Side::master;
  Found found = Found::nothing;
  bool alone = false;           ///< The partner comes after the victim met its fate.
  bool partner_visits = false;  ///< The partner comes and goes, the victim stays.
  bool topics = false;          ///< The victim has a topic's writer and reader, and needs no partner,
  bool replaced = false;        ///< and somebody else replaces its segment.
  std::vector<Target> targets{};
};

[[nodiscard]] const std::vector<EshmScenario>& eshm_scenarios();

/// One channel, a partner, and a victim that dies or stops at one point.
///
///   partner -> victim -> its fate -> the partner gets on -> an heir in the victim's place -> all end -> books
///
/// The partner's reads return whatever the victim does, and what it received and counted as conflated is what the
/// writers' own logs say, exactly.
[[nodiscard]] Outcome run_eshm_case(const EshmScenario& scenario, const Target& target, std::uint64_t hit, Fate fate);

}  // namespace sluice::kill_points
