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

slick::SegmentRequest raw_request(const Workplace& place, const std::string& name, std::size_t size) {
  slick::SegmentRequest request;
  request.name = place.raw_name(name);
  request.element_size = static_cast<std::uint32_t>(size);
  request.capacity = depth_for(size);
  return request;
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
  const bool complete = kind == Topics::Kind::reliable || kind == Topics::Kind::inproc;
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

Outcome raw_ring_latency(RoundTrips trips, std::size_t size) {
  const Workplace place;
  return run_two_sides(
      Placement::processes,
      [&](Meeting& meeting) {
        RawRingLink in(raw_request(place, "pong", size));
        RawRingLink out(raw_request(place, "ping", size));
        ping(meeting, out, in, trips, By::copy, size);
      },
      [&](Meeting& meeting) {
        RawRingLink in(raw_request(place, "ping", size));
        RawRingLink out(raw_request(place, "pong", size));
        pong(meeting, in, out, trips, By::copy, size);
      });
}

Outcome raw_ring_throughput(std::uint64_t messages, std::size_t size) {
  const Workplace place;
  return run_two_sides(
      Placement::processes,
      [&](Meeting& meeting) {
        RawRingLink out(raw_request(place, "ping", size));
        stream(meeting, out, messages, size);
      },
      [&](Meeting& meeting) {
        RawRingLink in(raw_request(place, "ping", size));
        drain(meeting, in, messages, false);
      });
}

}  // namespace sluice::bench
