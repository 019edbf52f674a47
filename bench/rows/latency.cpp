#include <string>

#include "rows/limit_runs.hpp"
#include "rows/queue_runs.hpp"
#include "rows/rows.hpp"
#include "rows/topic_runs.hpp"

namespace sluice::bench {

namespace {

constexpr double kLatencyGoal = 1.15;

/// Round trips that take about as long for every size.
std::uint64_t round_trips_for(std::size_t size) {
  return size <= 1024 ? 100'000 : size <= 64 * 1024 ? 5'000 : 800'000'000 / size;
}

}  // namespace

void add_latency_rows(Rows& rows, Effort effort) {
  constexpr std::size_t kSize = 64;
  const RoundTrips trips = effort.round_trips(100'000);
  const std::uint64_t depth = depth_for(kSize);
  const auto line = [=] { return line_latency(trips); };
  const auto cells = [=] { return cell_ring_latency(trips, By::copy, kSize, depth); };
  const auto slots = [=] { return slot_ring_latency(trips, kSize, depth); };
  const auto mailbox = [=] { return mailbox_latency(trips, kSize); };
  const auto pointers = [=] { return pointer_ring_latency(trips, By::copy, kSize, depth); };
  const auto topic = [=](Topics::Kind kind) {
    return [=] { return topic_latency(kind, trips, By::copy, kSize, Waiting::spinning); };
  };
  const auto add = [&](std::string name, std::string limit_name, auto limit, auto measured,
                       std::optional<double> goal) {
    rows.push_back({"latency of 64 B, spinning", std::move(name), std::move(limit_name), Unit::half_round_trip_ns,
                    limit, measured, goal});
  };
  add("limit: cell ring", "line", line, cells, {});
  add("limit: slot ring", "line", line, slots, {});
  add("limit: mailbox", "line", line, mailbox, {});
  add("limit: pointer ring (threads)", "line", line, pointers, {});
  add("slick reliable", "cell ring", cells, topic(Topics::Kind::reliable), kLatencyGoal);
  add("slick best_effort", "cell ring", cells, topic(Topics::Kind::best_effort), kLatencyGoal);
  add("slick raw", "slot ring", slots, topic(Topics::Kind::raw), kLatencyGoal);
  const auto queue = [&](std::string name, QueueKind kind, std::optional<double> goal) {
    add(
        std::move(name), "slot ring", slots, [=] { return queue_latency(kind, trips, kSize); }, goal);
  };
  queue("Queue<T>, in place", {}, kLatencyGoal);
  queue("Queue<T>, read_copy", {.reading = QueueReading::copy}, kLatencyGoal);
  queue("Queue<T>, shared cursor", {.reading = QueueReading::shared_cursor}, {});
  queue("Queue<T>, legacy segment", {.segment = QueueSegment::legacy}, {});
  add(
      "last_published, its cost", "Queue<T>, legacy segment",
      [=] { return queue_latency({.segment = QueueSegment::legacy}, trips, kSize); },
      [=] { return queue_latency({}, trips, kSize); }, {});
  add("inproc (threads)", "pointer ring", pointers, topic(Topics::Kind::inproc), {});
}

void add_size_rows(Rows& rows, Effort effort) {
  for (const std::size_t size :
       {std::size_t{1024}, std::size_t{64} << 10U, std::size_t{1} << 20U, std::size_t{4} << 20U}) {
    const RoundTrips trips = effort.round_trips(round_trips_for(size));
    const std::uint64_t depth = depth_for(size);
    const auto add = [&](Topics::Kind kind, By by) {
      Row row{"latency by size, spinning", {}, {}, Unit::half_round_trip_ns, {}, {}, {}};
      row.name = std::string(text(kind)) + ", " + size_text(size) + (by == By::loan ? ", loan" : "");
      row.limit_name = kind == Topics::Kind::inproc ? "pointer ring" : "cell ring";
      row.limit = [=] {
        return kind == Topics::Kind::inproc ? pointer_ring_latency(trips, by, size, depth)
                                            : cell_ring_latency(trips, by, size, depth);
      };
      row.measured = [=] { return topic_latency(kind, trips, by, size, Waiting::spinning); };
      rows.push_back(std::move(row));
    };
    add(Topics::Kind::reliable, By::copy);
    add(Topics::Kind::reliable, By::loan);
    add(Topics::Kind::best_effort, By::copy);
    add(Topics::Kind::raw, By::copy);
    add(Topics::Kind::inproc, By::loan);
  }
}

}  // namespace sluice::bench
