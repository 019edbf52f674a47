#include <unistd.h>

#include <catch2/catch.hpp>

#include <atomic>
#include <thread>

#include "unit/eshm/eshm_support.hpp"

using namespace sluice;
using namespace sluice::eshm;
using namespace sluice::test;

namespace {

constexpr std::int64_t kMillisecond = 1'000'000;

/// A segment, and a second description of its file, as another program has one.
struct WatchedSegment {
  explicit WatchedSegment(std::uint32_t stale_threshold_ms = 100) {
    SegmentRequest request;
    request.name = name.name();
    request.stale_threshold_ms = stale_threshold_ms;
    segment = create_segment(request, [](Segment&) {});
    lock = shm::FileLock::open(name.path());
  }
  [[nodiscard]] Header& header() { return segment->header(); }

  ChannelName name;
  std::optional<Segment> segment;
  shm::FileLock lock;
};

/// Time is what the test says.
struct Watched {
  explicit Watched(WatchedSegment& watched, std::chrono::milliseconds threshold = std::chrono::milliseconds{0})
      : segment(watched), watch(watched.header(), Side::master, threshold) {}

  RemoteState after(std::int64_t milliseconds) {
    now += milliseconds * kMillisecond;
    return watch.look(now, segment.lock);
  }

  WatchedSegment& segment;
  RemoteWatch watch;
  std::int64_t now = 1000 * kMillisecond;
};

}  // namespace

TEST_CASE("nobody was there, then it is alive, stale, alive again, and gone") {
  WatchedSegment segment;
  Watched watched(segment);
  CHECK(watched.after(0) == RemoteState::unknown);
  CHECK(watched.after(50) == RemoteState::unknown);
  segment.header().master_alive.store_relaxed(1);
  segment.header().master_heartbeat.fetch_add_relaxed(1);
  CHECK(watched.after(10) == RemoteState::alive);
  CHECK(watched.after(90) == RemoteState::alive);
  CHECK(watched.watch.silence() == std::chrono::milliseconds{90});
  CHECK(watched.after(9) == RemoteState::alive);
  CHECK(watched.after(1) == RemoteState::stale);
  CHECK(watched.after(50) == RemoteState::stale);
  segment.header().master_heartbeat.fetch_add_relaxed(1);
  CHECK(watched.after(10) == RemoteState::alive);
  segment.header().master_alive.store_relaxed(0);
  CHECK(watched.after(10) == RemoteState::dead);
  CHECK(watched.after(200) == RemoteState::dead);
  segment.header().master_alive.store_relaxed(1);
  segment.header().master_heartbeat.fetch_add_relaxed(1);
  CHECK(watched.after(10) == RemoteState::alive);
}

TEST_CASE("a peer whose heartbeat never moved is stale after the threshold, if it says that it is there") {
  WatchedSegment segment;
  segment.header().master_alive.store_relaxed(GENERATE(0U, 1U));
  Watched watched(segment);
  CHECK(watched.after(0) == RemoteState::unknown);
  for (int k = 0; k < 9; ++k) CHECK(watched.after(11) == RemoteState::unknown);
  const bool there = segment.header().master_alive.load_relaxed() != 0;
  CHECK(watched.after(11) == (there ? RemoteState::stale : RemoteState::unknown));
}

TEST_CASE("a watcher that was itself stopped does not hold that against the other side") {
  WatchedSegment segment;
  segment.header().master_alive.store_relaxed(1);
  Watched watched(segment);
  (void)watched.after(0);
  segment.header().master_heartbeat.fetch_add_relaxed(1);
  CHECK(watched.after(10) == RemoteState::alive);
  CHECK(watched.after(5000) == RemoteState::alive);
  CHECK(watched.after(99) == RemoteState::alive);
  CHECK(watched.after(1) == RemoteState::stale);
}

TEST_CASE("the threshold is the watcher's own, or the segment's") {
  WatchedSegment segment(300);
  segment.header().master_alive.store_relaxed(1);
  Watched by_segment(segment);
  Watched by_own(segment, std::chrono::milliseconds{40});
  CHECK(by_segment.watch.threshold() == std::chrono::milliseconds{300});
  CHECK(by_own.watch.threshold() == std::chrono::milliseconds{40});
  (void)by_segment.after(0);
  (void)by_own.after(0);
  for (int k = 0; k < 4; ++k) {
    CHECK(by_own.watch.state() != RemoteState::stale);
    (void)by_own.after(10);
    (void)by_segment.after(10);
  }
  CHECK(by_own.watch.state() == RemoteState::stale);
  CHECK(by_segment.watch.state() == RemoteState::unknown);
  for (int k = 0; k < 26; ++k) (void)by_segment.after(10);
  CHECK(by_segment.watch.state() == RemoteState::stale);
  segment.header().stale_threshold.store_relaxed(0);
  CHECK(by_segment.watch.threshold() == std::chrono::milliseconds{1});  // not nothing
}

TEST_CASE("whoever holds its lock is dead when the kernel releases it, without any threshold") {
  WatchedSegment segment(10'000);
  segment.header().master_alive.store_relaxed(1);
  segment.header().master_pid.store_relaxed(1);
  auto holder = shm::FileLock::open(segment.name.path());
  REQUIRE(holder.try_lock_exclusive(presence_lock(Side::master)));
  Watched watched(segment);
  (void)watched.after(0);
  segment.header().master_heartbeat.fetch_add_relaxed(1);
  CHECK(watched.after(1) == RemoteState::alive);
  holder = {};
  CHECK(watched.after(1) == RemoteState::dead);
  CHECK(segment.header().master_alive.load_relaxed() == 1);  // nobody said goodbye
}

TEST_CASE("an office without a holder that was handed over is not dead, unless nobody takes it") {
  WatchedSegment segment;
  segment.header().master_alive.store_relaxed(1);
  auto holder = shm::FileLock::open(segment.name.path());
  REQUIRE(holder.try_lock_exclusive(presence_lock(Side::master)));
  Watched watched(segment);
  (void)watched.after(0);
  segment.header().master_heartbeat.fetch_add_relaxed(1);
  CHECK(watched.after(1) == RemoteState::alive);
  holder = {};  // with the pid 0, as Presence::leave leaves it
  CHECK(watched.after(1) == RemoteState::alive);
  CHECK(watched.after(98) == RemoteState::alive);
  CHECK(watched.after(1) == RemoteState::stale);
}

TEST_CASE("a beat is due ten times a threshold, at the most every millisecond") {
  using std::chrono::milliseconds;
  CHECK(beat_period(0) == milliseconds{1});
  CHECK(beat_period(10) == milliseconds{1});
  CHECK(beat_period(50) == milliseconds{5});
  CHECK(beat_period(100) == milliseconds{10});
  CHECK(beat_period(UINT32_MAX) == milliseconds{10});
}

TEST_CASE("a heartbeat counts milliseconds, whatever the period") {
  WatchedSegment segment;
  const std::int64_t begin = shm::monotonic_ns();
  Presence presence(*segment.segment, Side::master, false);
  const auto heartbeat = [&] { return segment.header().master_heartbeat.load_relaxed(); };
  CHECK(heartbeat() == 0);
  CHECK((segment.header().master_alive.load_relaxed() == 1 && segment.header().master_generation.load_relaxed() == 1));
  CHECK(segment.header().master_pid.load_relaxed() == static_cast<std::uint32_t>(::getpid()));
  const std::int64_t end = shm::monotonic_ns() + 100 * kMillisecond;
  for (std::int64_t now = begin; now <= end; now += kMillisecond * 3 / 10) presence.beat(now);
  presence.beat(end);
  const auto most = static_cast<std::uint64_t>((end - begin) / kMillisecond);
  CHECK((heartbeat() >= 100 && heartbeat() <= most));
  CHECK(segment.header().slave_heartbeat.load_relaxed() == 0);
  presence.leave(false);
  CHECK(segment.header().master_alive.load_relaxed() == 0);
}

TEST_CASE("an office that is handed over in order is no new generation") {
  WatchedSegment segment;
  Presence first(*segment.segment, Side::master, true);
  first.leave(true);
  CHECK((segment.header().master_alive.load_relaxed() == 1 && segment.header().master_pid.load_relaxed() == 0));
  const Presence second(*segment.segment, Side::master, true);
  CHECK(segment.header().master_generation.load_relaxed() == 1);
  const Presence third(*segment.segment, Side::master, true);  // the second died: nobody handed anything over
  CHECK(segment.header().master_generation.load_relaxed() == 2);
}

TEST_CASE("a slave's presence is no new generation") {
  WatchedSegment segment;
  Presence slave(*segment.segment, Side::slave, true);
  CHECK((segment.header().slave_alive.load_relaxed() == 1 && segment.header().master_alive.load_relaxed() == 0));
  CHECK(segment.header().master_generation.load_relaxed() == 0);
  CHECK(segment.header().slave_heartbeat.load_relaxed() == 1);
}

TEST_CASE("who occupies a place: nobody, one of ours, a foreign one, or a dead one") {
  WatchedSegment segment;
  Header& header = segment.header();
  CHECK(who_occupies(header, Side::master, segment.lock) == Occupied::no);
  header.master_alive.store_relaxed(1);
  header.master_pid.store_relaxed(GENERATE(0U, static_cast<std::uint32_t>(::getpid())));
  CHECK(who_occupies(header, Side::master, segment.lock) == Occupied::no);  // it crashed; the pid is somebody else's
  CHECK(who_occupies(header, Side::slave, segment.lock) == Occupied::no);
  auto holder = shm::FileLock::open(segment.name.path());
  REQUIRE(holder.try_lock_exclusive(presence_lock(Side::master)));
  CHECK(who_occupies(header, Side::master, segment.lock) == Occupied::by_ours);
  CHECK(who_occupies(header, Side::slave, segment.lock) == Occupied::no);
  holder = {};
  std::atomic<bool> stop{false};
  std::thread foreign([&] {
    while (!stop) {
      header.master_heartbeat.fetch_add_relaxed(1);
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
  });
  CHECK(who_occupies(header, Side::master, segment.lock) == Occupied::by_others);
  stop = true;
  foreign.join();
}
