#include "rows/limit_runs.hpp"
#include "rows/queue_runs.hpp"
#include "rows/rows.hpp"
#include "rows/topic_runs.hpp"

namespace sluice::bench {

void add_throughput_rows(Rows& rows, Effort effort) {
  const auto add = [&](std::size_t size, const std::string& name, auto limit, auto measured, std::optional<double> goal,
                       const char* limit_name = "cell ring") {
    rows.push_back({"throughput, one to one", name + (size == 64 ? ", 64 B" : ", 1 KiB"), limit_name,
                    Unit::million_per_second, limit, measured, goal});
  };
  for (const std::size_t size : {std::size_t{64}, std::size_t{1024}}) {
    const std::uint64_t messages = effort.of(size == 64 ? 2'000'000 : 400'000);
    const std::uint64_t depth = depth_for(size);
    const auto cells = [=] { return cell_ring_throughput({}, messages, size, depth); };
    const auto pointers = [=] { return pointer_ring_throughput(messages, size, depth); };
    const auto batches = [=](Topics::Kind kind, std::size_t batch) {
      return [=] { return batch_throughput(kind, messages, size, batch); };
    };
    const auto topic = [=](Topics::Kind kind) { return [=] { return topic_throughput(kind, messages, size); }; };
    const auto variant = [&](const char* name, limits::CellRingVariant wanted) {
      add(size, name, cells, [=] { return cell_ring_throughput(wanted, messages, size, depth); }, {});
    };
    variant("cell ring that prefetches", {.prefetching = true});
    variant("cell ring that locks", {.locking = true});
    variant("cell ring that does both", {.prefetching = true, .locking = true});
    add(size, "slick reliable", cells, topic(Topics::Kind::reliable), size == 64 ? std::optional(0.85) : std::nullopt);
    add(size, "slick best_effort", cells, topic(Topics::Kind::best_effort), {});
    add(size, "slick reliable, batches of 8", cells, batches(Topics::Kind::reliable, 8), {});
    add(size, "slick reliable, batches of 64", cells, batches(Topics::Kind::reliable, 64), {});
    add(size, "slick best_effort, batches of 8", cells, batches(Topics::Kind::best_effort, 8), {});
    add(size, "slick best_effort, batches of 64", cells, batches(Topics::Kind::best_effort, 64), {});
    const auto slots = [=] { return paced_slot_ring_throughput(messages, size, depth); };
    const auto queue = [=](QueueKind kind) { return [=] { return queue_throughput(kind, messages, size); }; };
    const QueueKind legacy{.segment = QueueSegment::legacy};
    add(size, "slot ring", cells, slots, {});
    add(size, "slick raw, not paced", cells, topic(Topics::Kind::raw), {});
    add(size, "slick raw, reliable", slots, topic(Topics::Kind::raw_reliable), {}, "slot ring");
    add(size, "Queue<T>, in place", slots, queue({}), {}, "slot ring");
    add(size, "Queue<T>, read_copy", slots, queue({.reading = QueueReading::copy}), {}, "slot ring");
    add(size, "Queue<T>, shared cursor", slots, queue({.reading = QueueReading::shared_cursor}), {}, "slot ring");
    add(size, "Queue<T>, legacy segment", slots, queue(legacy), {}, "slot ring");
    add(size, "last_published, its cost", queue(legacy), queue({}), {}, "Queue<T>, legacy segment");
    add(size, "inproc (threads)", pointers, topic(Topics::Kind::inproc), {}, "pointer ring");
  }
}

}  // namespace sluice::bench
