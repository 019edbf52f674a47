#pragma once

#include <cstdint>

#include "kill_points/group_log.hpp"
#include "stress/stress_support.hpp"

namespace sluice::kill_points {

/// As stress::write_messages, for topics whose chunks may be short: what is refused is tried again. `batches`: up to
/// six messages go out at once.
int publish_messages(const stress::Place& place, std::uint32_t index, std::uint64_t messages, bool batches);

/// Takes, checks and gives back as a member of the group, until `most` are had, or until all is over and nothing is
/// left to be acknowledged by anybody.
int read_as_member(const stress::Place& place, GroupLog& group, std::uint32_t index, std::uint64_t most);

}  // namespace sluice::kill_points
