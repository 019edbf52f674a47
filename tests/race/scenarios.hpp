#pragma once

#include <span>

namespace sluice::test {

struct Scenario {
  const char* name;
  void (*run)();
};

/// What this program can do.
extern const std::span<const Scenario> scenarios;

void topic_reliable_polling();
void topic_reliable_sleeping();
void topic_best_effort_lapped();
void topic_best_effort_watched();
void topic_rare_publisher();
void topic_horizon();
void topic_stopped_owner();
void topic_eviction();
void topic_holes();
void topic_coming_and_going();
void topic_books();

void raw_watched();
void raw_lapped();
void raw_reliable();

void channel_in_turns();
void channel_overwritten();
void channel_replaced();

void inproc_reliable();
void inproc_best_effort();
void inproc_one_by_one();
void inproc_coming_and_going();

void doorbell();
void wait_set();
void wait_set_polling();

}  // namespace sluice::test
