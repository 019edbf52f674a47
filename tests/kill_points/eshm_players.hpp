#pragma once

#include <array>
#include <string>

#include <sluice/eshm/channel.hpp>

#include "stress/stress_support.hpp"

namespace sluice::kill_points {

/// A writer's own log; each word is stored before or after the call it tells of.
struct EshmLog {
  stress::Word begun;
  stress::Word completed;
};

/// What the processes of a case share beside the channel.
struct EshmShared {
  stress::Word stop_victim;
  stress::Word stop_partner;
  stress::Word partner_open;  ///< The partner's channel is open: what is written from now on is for it.
  stress::Word progress;      ///< The partner's reads that returned, or its visits.
  stress::Word torn;
  stress::Word received;   ///< The partner's, at its end.
  stress::Word conflated;  ///< Likewise.
  std::array<EshmLog, 4> logs;
};

/// Where a case plays.
struct EshmPlace {
  const std::string& name;
  EshmShared& shared;
};

/// In the victim's place: comes, writes some messages if the partner is there, and goes; so many times at most.
/// `patient`: waits until the partner is there.
int visit_channel(const EshmPlace& place, eshm::Side side, std::size_t log, int visits, bool patient);

/// A master that makes the channel and waits to be killed.
int wait_in_channel(const EshmPlace& place);

/// Reads and writes until it is told to stop.
int stay_in_channel(const EshmPlace& place, eshm::Side side);

/// A master that comes and goes until it is told to stop, whoever is there.
int partner_that_visits(const EshmPlace& place);

/// A slave that stays while its master comes and goes, until it has read so many messages or is told to stop.
int follow_master(const EshmPlace& place, std::uint64_t messages);

/// A process with a topic's writer and reader on the channel that comes and goes; so many times at most. `replaced`:
/// somebody gives the segment's name to another one each time.
int visit_topic(const EshmPlace& place, int visits, bool replaced);

}  // namespace sluice::kill_points
