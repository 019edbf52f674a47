#include "rows/topic_runs.hpp"

namespace sluice::bench {

namespace {

Placement placement_of(Topics::Kind kind) noexcept {
  return kind == Topics::Kind::inproc ? Placement::threads : Placement::processes;
}

template <typename In>
Outcome latency(const Topics& topics, Placement placement, RoundTrips trips, By by, std::size_t size) {
  return run_two_sides(
      placement,
      [&](Meeting& meeting) {
        In in(topics.reader("pong"));
        WriterLink out(topics.writer("ping"));
        ping(meeting, out, in, trips, by, size);
      },
      [&](Meeting& meeting) {
        In in(topics.reader("ping"));
        WriterLink out(topics.writer("pong"));
        pong(meeting, in, out, trips, by, size);
      });
}

}  // namespace

Outcome topic_latency(Topics::Kind kind, RoundTrips trips, By by, std::size_t size, Waiting waiting) {
  const Workplace place;
  const Topics topics(place, kind, size, depth_for(size));
  return waiting == Waiting::spinning ? latency<ReaderLink>(topics, placement_of(kind), trips, by, size)
                                      : latency<SleepingReaderLink>(topics, placement_of(kind), trips, by, size);
}

Outcome topic_throughput(Topics::Kind kind, std::uint64_t messages, std::size_t size) {
  const Workplace place;
  const Topics topics(place, kind, size, depth_for(size));
  const bool complete = is_complete(kind);
  return run_two_sides(
      placement_of(kind),
      [&](Meeting& meeting) {
        WriterLink out(topics.writer("ping"));
        stream(meeting, out, messages, size);
      },
      [&](Meeting& meeting) {
        ReaderLink in(topics.reader("ping"));
        drain(meeting, in, messages, complete);
      });
}

Outcome batch_throughput(Topics::Kind kind, std::uint64_t messages, std::size_t size, std::size_t batch) {
  const Workplace place;
  const Topics topics(place, kind, size, depth_for(size));
  const bool complete = is_complete(kind);
  return run_two_sides(
      placement_of(kind),
      [&](Meeting& meeting) {
        WriterLink out(topics.writer("ping"));
        stream_batches(meeting, out, messages, size, batch);
      },
      [&](Meeting& meeting) {
        BatchReaderLink in(topics.reader("ping"), batch);
        drain(meeting, in, messages, complete);
      });
}

}  // namespace sluice::bench
