#include "eshm/arrival.hpp"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include <sluice/eshm/inspect.hpp>
#include <sluice/shm/deadline.hpp>
#include <sluice/shm/kill_point.hpp>
#include <sluice/shm/sleep.hpp>

namespace sluice::eshm {

namespace {

constexpr int kMostAttempts = 100;
constexpr std::chrono::milliseconds kPollPeriod{2};

[[noreturn]] void throw_taken(const Segment& segment, Side side, Occupied occupied) {
  throw Error("channel '" + segment.path + "' has a living " + name_of(side) + " already (pid " +
              std::to_string(side_words(segment.header(), side).pid.load_relaxed()) +
              (occupied == Occupied::by_others ? ", a program without Sluice" : "") + "); there can be one: end it, " +
              "or use another name" + (side == Side::slave ? ", or a topic, which any number may subscribe to" : ""));
}

[[noreturn]] void throw_restless(const SegmentRequest& request) {
  throw Error("channel '" + segment_path(request.name) +
              "' is created and removed again all the time by somebody else");
}

Judge patient_judge(Side side) {
  return [side](Segment& segment) { return who_occupies(segment.header(), side, segment.lock); };
}

/// Takes the side's place in an existing segment. False: the segment was removed or replaced meanwhile, look again.
bool take_place(Segment& segment, Side side, const Judge& judge) {
  if (!segment.lock.try_lock_shared(kUseLock)) return false;  // it is being removed
  const Occupied occupied = judge(segment);
  if (occupied != Occupied::no) throw_taken(segment, side, occupied);
  if (!segment.lock.try_lock_exclusive(presence_lock(side))) throw_taken(segment, side, Occupied::by_ours);
  if (!segment.lock.try_lock_exclusive(writing_lock(side))) {
    throw Error("channel '" + segment.path + "': a topic of another process publishes as its " + name_of(side) +
                "; end it, or use another name");
  }
  SLUICE_KILL_POINT("channel.place_taken");
  return segment.named();
}

Arrival announce(Segment segment, Side side, bool beats) {
  take_reader_place(segment.lock, other(side));
  const Presence presence(segment, side, beats);
  return {std::move(segment), side, presence, side == Side::master, false};
}

std::optional<Arrival> try_create(const SegmentRequest& request) {
  auto segment = create_segment(request, [](Segment& made) {
    (void)made.lock.try_lock_shared(kUseLock);
    (void)made.lock.try_lock_exclusive(presence_lock(Side::master));
    (void)made.lock.try_lock_exclusive(writing_lock(Side::master));
    take_reader_place(made.lock, Side::slave);
    Presence::announce_in_new(made.header(), Side::master);
  });
  if (!segment) return std::nullopt;
  const Presence presence = Presence::of_creator(*segment, Side::master);
  return Arrival{std::move(*segment), Side::master, presence, false, false};
}

/// Whether anybody but a master has to do with the segment. The original only asks for the alive flag, and so do we;
/// but a reader of ours counts even if it is nobody's slave.
bool somebody_else_uses(Segment& segment) {
  return segment.header().slave_alive.load_acquire() != 0 || segment.lock.held_by_other(kUseLock);
}

/// Nothing: the name's meaning changed, look again.
std::optional<Arrival> try_arrive_as_master(const SegmentRequest& request, bool beats) {
  std::optional<Segment> segment;
  try {
    segment = attach_segment(request);
  } catch (const Error&) {
    // Of another size, or damaged: nobody's, if nobody lives in it. (The original replaces it without a look.)
    if (!remove_dead_channel(segment_path(request.name))) throw;
  }
  if (!segment) return try_create(request);
  if (!take_place(*segment, Side::master, patient_judge(Side::master))) return std::nullopt;
  if (somebody_else_uses(*segment)) return announce(std::move(*segment), Side::master, beats);
  segment->lock.unlock(kUseLock);
  if (segment->lock.try_lock_exclusive(kUseLock) && segment->named() && ::unlink(segment->path.c_str()) != 0) {
    throw SystemError("channel '" + segment->path + "': cannot remove what a dead master left", errno);
  }
  SLUICE_KILL_POINT("channel.removed_dead");
  return std::nullopt;
}

Arrival arrive_as_master(const SegmentRequest& request, bool beats) {
  for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
    if (auto arrival = try_arrive_as_master(request, beats)) return std::move(*arrival);
  }
  throw_restless(request);
}

Arrival arrive_as_slave(const SegmentRequest& request, bool beats, std::chrono::nanoseconds patience) {
  const shm::Deadline deadline = shm::Deadline::after(patience);
  for (bool waited = false;; waited = true) {
    if (auto arrival = try_arrive_as_slave(request, beats, patient_judge(Side::slave))) {
      arrival->waited = waited;
      return std::move(*arrival);
    }
    if (deadline.passed() || shm::sleep_cancelled()) break;
    shm::sleep_for(kPollPeriod);
  }
  throw SystemError("channel '" + segment_path(request.name) + "' has no master" +
                        (patience.count() > 0 ? ", and none came within the timeout" : "") + "; start it first",
                    ENOENT);
}

Arrival arrive_as_either(const SegmentRequest& request, bool beats, bool promote) {
  for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
    if (promote) {
      auto segment = attach_segment(request);
      const bool dead = segment && patient_judge(Side::master)(*segment) == Occupied::no;
      if (dead) return arrive_as_master(request, beats);
    }
    if (auto arrival = try_arrive_as_slave(request, beats, patient_judge(Side::slave))) return std::move(*arrival);
    if (auto arrival = try_create(request)) return std::move(*arrival);
  }
  throw_restless(request);
}

}  // namespace

std::optional<Arrival> try_arrive_as_slave(const SegmentRequest& request, bool beats, const Judge& judge) {
  auto segment = attach_segment(request);
  if (!segment || !take_place(*segment, Side::slave, judge)) return std::nullopt;
  return announce(std::move(*segment), Side::slave, beats);
}

SegmentRequest segment_request(const std::string& name, const ChannelOptions& options) {
  SegmentRequest request;
  request.name = name;
  request.max_size = options.max_size;
  request.protocol = options.protocol;
  request.access = options.access;
  if (options.stale_threshold) {
    const auto threshold = options.stale_threshold->count();
    if (threshold <= 0 || threshold > UINT32_MAX) {
      throw Error("channel '" + name + "': a stale threshold of " + std::to_string(threshold) +
                  " ms is none; give at least 1 ms");
    }
    request.stale_threshold_ms = static_cast<std::uint32_t>(threshold);
  }
  return request;
}

Arrival arrive(const std::string& name, const ChannelOptions& options) {
  const SegmentRequest request = segment_request(name, options);
  switch (options.role) {
    case Role::master: return arrive_as_master(request, options.heartbeat);
    case Role::slave: return arrive_as_slave(request, options.heartbeat, options.attach_timeout);
    case Role::automatic: break;
  }
  return arrive_as_either(request, options.heartbeat, options.promote);
}

}  // namespace sluice::eshm
