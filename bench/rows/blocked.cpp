#include "rows/limit_runs.hpp"
#include "rows/rows.hpp"
#include "rows/topic_runs.hpp"

namespace sluice::bench {

void add_blocked_rows(Rows& rows, Effort effort) {
  const RoundTrips trips = effort.round_trips(4'000);
  const auto add = [&](Topics::Kind kind, const std::string& remark, std::optional<double> goal) {
    const Placement placement = kind == Topics::Kind::inproc ? Placement::threads : Placement::processes;
    rows.push_back({"latency of 64 B, readers asleep", text(kind) + remark, "futex", Unit::half_round_trip_ns,
                    [=] { return futex_latency(trips, placement); },
                    [=] { return topic_latency(kind, trips, By::copy, 64, Waiting::sleeping); }, goal});
  };
  add(Topics::Kind::reliable, "", 1.15);
  add(Topics::Kind::best_effort, "", 1.15);
  add(Topics::Kind::raw, "", 1.15);
  add(Topics::Kind::inproc, " (threads)", {});
}

}  // namespace sluice::bench
