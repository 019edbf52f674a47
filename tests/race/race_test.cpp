#include "race/scenarios.hpp"

namespace sluice::test {

namespace {

constexpr Scenario kScenarios[] = {
    {"topic_reliable_polling", topic_reliable_polling},
    {"topic_reliable_sleeping", topic_reliable_sleeping},
    {"topic_best_effort_lapped", topic_best_effort_lapped},
    {"topic_best_effort_watched", topic_best_effort_watched},
    {"topic_rare_publisher", topic_rare_publisher},
    {"topic_horizon", topic_horizon},
    {"topic_stopped_owner", topic_stopped_owner},
    {"topic_eviction", topic_eviction},
    {"topic_holes", topic_holes},
    {"topic_coming_and_going", topic_coming_and_going},
    {"topic_books", topic_books},
    {"raw_watched", raw_watched},
    {"raw_lapped", raw_lapped},
    {"raw_reliable", raw_reliable},
    {"channel_in_turns", channel_in_turns},
    {"channel_overwritten", channel_overwritten},
    {"channel_replaced", channel_replaced},
    {"inproc_reliable", inproc_reliable},
    {"inproc_best_effort", inproc_best_effort},
    {"inproc_one_by_one", inproc_one_by_one},
    {"inproc_coming_and_going", inproc_coming_and_going},
    {"doorbell", doorbell},
    {"wait_set", wait_set},
    {"wait_set_polling", wait_set_polling},
};

}  // namespace

const std::span<const Scenario> scenarios = kScenarios;

}  // namespace sluice::test
