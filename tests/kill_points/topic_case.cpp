#include "kill_points/topic_case.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/unique_fd.hpp>

#include "stress/stress_books.hpp"

namespace sluice::kill_points {

namespace {

using test::eventually;

constexpr std::uint32_t kDepth = 6;  // eight cells in both worlds, so a lap is soon over
// Never lapped within a case: what a producer does that was stopped for a lap nobody detects (hazard H3).
constexpr std::uint32_t kRawDepth = 65536;
constexpr std::uint64_t kSomeLaps = 40;       // messages
constexpr std::uint64_t kNeverWithin = 4000;  // messages after which a point that nobody provokes is not reached
constexpr int kMostProvocations = 30;
constexpr std::chrono::nanoseconds kLongHold = std::chrono::milliseconds{100};  // on a busy machine

std::uint64_t value(const stress::Word& word) { return word.load_acquire(); }

/// The untouched publisher's pause: so slow that it is the victim who moves the horizon, and that a hole which nobody
/// has to wait for is not lapped before it is repaired.
std::uint32_t pause_us(const Scenario& scenario, World world) {
  if (world != World::best_effort) return 100;
  return scenario.role == Role::subscriber ? 1000 : 300;
}

constexpr std::uint32_t kInlineLimit = 200;

void set_payload(TopicSpec& spec, const Scenario& scenario) {
  if (scenario.history != 0) {
    spec.qos.durability = Durability::transient_local;
    spec.qos.history = scenario.history;
  }
  if (scenario.payload == Payload::cells) return;
  // Six or nine may be unread, each reader holds one, each publisher fills one; what follows is lost for good soon.
  const std::uint32_t count = scenario.payload == Payload::few_chunks ? 9 : 16 + scenario.history;
  spec.options["inline_limit"] = {std::to_string(kInlineLimit) + "B", {}};
  spec.options["chunks"] = {std::to_string(count) + " x 512B", {}};
  spec.options["max_loans"] = {std::to_string(count), {}};
}

stress::Options options_for(const Scenario& scenario, World world, std::uint64_t seed) {
  stress::Options options;
  options.mode = "kill_points";
  options.reliable = world == World::reliable || world == World::raw_reliable;
  options.depth = is_raw(world) ? kRawDepth : kDepth;
  options.element = is_raw(world) ? 64 : 0;
  options.max_size = 512;
  options.seed = seed;
  options.pause_us = pause_us(scenario, world);
  return options;
}

TopicSpec spec_for(const Scenario& scenario, World world, const stress::Options& options) {
  TopicSpec spec = stress::make_spec(options);
  if (is_raw(world)) spec.options["segment"] = {"sluice-test-" + std::to_string(::getpid()), {}};
  spec.options["hole_timeout"] = {"5ms", {}};
  spec.options["stall_timeout"] = {"150ms", {}};
  spec.options["evict_after"] = {"600ms", {}};
  set_payload(spec, scenario);
  return spec;
}

bool is_member(Role role) { return role == Role::member || role == Role::members; }

bool is_publisher(Role role) { return role == Role::publisher || role == Role::publishers; }

/// A handler that does nothing, so that SIGCONT interrupts a sleeper: at the end of a case nobody need sleep it out.
void wake_up(int) {}

}  // namespace

stress::Child start_process(const std::string& plan, const std::function<int()>& body) {
  return stress::Child(0, [&] {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct sigaction action {};
    action.sa_handler = &wake_up;
    ::sigaction(SIGCONT, &action, nullptr);
    plan.empty() ? ::unsetenv("SLUICE_KILL_POINT") : ::setenv("SLUICE_KILL_POINT", plan.c_str(), 1);
    return body();
  });
}

TopicCase::TopicCase(const Scenario& scenario, const Target& target, std::uint64_t hit, Fate fate, World world,
                     std::uint64_t seed)
    : scenario_(scenario),
      target_(target),
      fate_(fate),
      world_(world),
      plan_(scenario.before + target.point + ":" + std::to_string(hit) + (fate == Fate::kill ? ":kill" : ":stop")),
      options_(options_for(scenario, world, seed)),
      place_{options_, stress::Shared::create(), directory_.path(), spec_for(scenario, world, options_)},
      indices_(shared_memory<Indices>()),
      group_(shared_memory<GroupLog>()),
      steps_before_(static_cast<std::uint32_t>(std::count(scenario.before.begin(), scenario.before.end(), ','))) {
  indices_.writers.store_release(1);
  indices_.readers.store_release(1);
  group_.count.store_release(1);
  place_.shared.go.store_release(1);
}

TopicCase::~TopicCase() {
  members_.clear();
  if (is_raw(world_)) ::unlink(segment_path().c_str());
  ::munmap(&place_.shared, sizeof(stress::Shared));
  ::munmap(&indices_, sizeof(Indices));
  ::munmap(&group_, sizeof(GroupLog));
}

std::string TopicCase::segment_path() const { return "/dev/shm/" + place_.spec.options.at("segment").value; }

void TopicCase::require(bool condition, const std::string& what) {
  if (condition) return;
  failed_ = true;
  std::printf("FAILED: %s, %s: %s: %s\n", name_of(world_).c_str(), scenario_.name.c_str(), plan_.c_str(), what.c_str());
}

TopicCase::Member& TopicCase::start(bool reads, const std::string& plan, const TopicSpec& spec, Role role) {
  members_.push_back({start_process(plan,
                                    [&] {
                                      stress::Place place = place_;
                                      place.spec = spec;
                                      if (is_member(role)) place.spec.options["group"] = {kGroupName, {}};
                                      return play(role, place, indices_, group_, scenario_);
                                    }),
                      reads, plan.find("kill") != std::string::npos});
  return members_.back();
}

void TopicCase::start_survivors() {
  members_.push_back({start_process("", [&] { return read_messages(place_, 0); }), true});
  // The subscriber comes first, so that every message concerns it.
  require(eventually([&] { return value(place_.shared.readers[0].opened) != 0; }, kWatchdog),
          "the untouched subscriber cannot open the topic");
  if (scenario_.group && !scenario_.only_member) start_untouched_member();
  members_.push_back({start_process("", [&] { return write_untouched(place_, scenario_); }), false});
  require_progress("at the start");
}

/// A segment as 1.2.x and Python make it: complete, and in no known state.
void TopicCase::leave_unversioned_segment() {
  stress::Child maker = start_process("", [&] { return inherit(place_); });
  require(eventually([&] { return maker.ended(); }, kWatchdog) && maker.code == 0, "nobody makes a segment");
  const shm::UniqueFd file(::open(segment_path().c_str(), O_RDWR | O_CLOEXEC));
  const std::uint32_t unversioned = 0;
  require(::pwrite(file.get(), &unversioned, sizeof unversioned, 48) == sizeof unversioned, "no segment to change");
}

void TopicCase::leave_something() {
  if (is_raw(world_)) return leave_unversioned_segment();
  Member& dead = start(false, "slick.writer.active:1:kill", place_.spec, Role::publishers);
  require(eventually([&] { return dead.child.ended(); }, kWatchdog), "nobody dies to leave something");
}

void TopicCase::start_victim() {
  TopicSpec spec = place_.spec;
  spec.type.name = "kill_points/Message";  // the first who says so
  // So that it is this one who repairs and evicts, and not one of the untouched two.
  if (scenario_.provocation == Provocation::publisher_dies) spec.options["hole_timeout"] = {"200us", {}};
  if (scenario_.provocation == Provocation::publisher_stops_copying) spec.options["stall_timeout"] = {"50ms", {}};
  if (scenario_.provocation == Provocation::publisher_stops_copying) spec.options["hole_timeout"] = {"200us", {}};
  const bool evicts =
      scenario_.provocation == Provocation::subscriber_stops || scenario_.provocation == Provocation::member_stops;
  if (evicts) spec.options["evict_after"] = {"200ms", {}};
  const bool reads = !is_publisher(scenario_.role) && scenario_.role != Role::sweeper;
  victim_ = &start(reads, plan_, spec, scenario_.role);
}

/// Whether the victim stands, or died, at the aimed point. On its way there it may have to be continued.
bool TopicCase::met_fate() {
  Member& victim = *victim_;
  if (fate_ == Fate::kill && victim.child.ended()) return victim.child.code == 128 + SIGKILL;
  if (!victim.child.stopped()) return false;
  if (++victim.stops > steps_before_) return true;
  require_progress("after the victim's stop before the point");
  if (!is_publisher(scenario_.role)) {
    victim.child.signal(SIGCONT);
    return false;
  }
  bool met = false;
  resume_at_the_worst_moment(victim, [&] { met = eventually([&] { return met_fate(); }, std::chrono::seconds{1}); });
  return met;
}

std::uint64_t TopicCase::progress() const {
  return std::min(value(place_.shared.writers[0].begun), value(place_.shared.readers[0].received));
}

TopicCase::Member* TopicCase::provoke() {
  Member* provoker = nullptr;
  switch (scenario_.provocation) {
    case Provocation::none: return nullptr;
    case Provocation::publisher_dies:
      provoker = &start(false, is_raw(world_) ? "raw.publish.owned:5:kill" : "slick.reserve.granted:5:kill",
                        place_.spec, Role::publisher);
      break;
    case Provocation::publisher_stops:
      provoker = &start(false, "slick.reserve.intent:5:stop", place_.spec, Role::publisher);
      break;
    case Provocation::publisher_stops_copying:
      // Continued, it dies before its stamp would hide from the readers what it did to the payload.
      provoker = &start(false, "slick.publish.header:5:stop,slick.publish.copied:1:kill", place_.spec, Role::publisher);
      break;
    case Provocation::subscriber_dies:
      provoker = &start(true, "slick.join.joined:1:kill", place_.spec, Role::subscriber);
      break;
    case Provocation::subscriber_stops:
      provoker = &start(true, "slick.join.joined:1:stop", place_.spec, Role::subscriber);
      break;
    case Provocation::holder_dies:
      provoker = &start(true, "slick.hold.passed:1:kill", place_.spec, Role::subscriber);
      break;
    case Provocation::loaner_dies:
      provoker = &start(false, "slick.chunk.filled:3:kill", place_.spec, Role::publisher);
      break;
    case Provocation::member_dies:
      provoker = &start(true, "slick.group.claimed:1:kill", place_.spec, Role::member);
      break;
    case Provocation::member_stops:
      provoker = &start(true, "slick.group.claimed:1:stop", place_.spec, Role::member);
      break;
  }
  const auto there = [&] {
    const bool stopped = provoker->child.stopped();
    provoker->stops += stopped ? 1 : 0;
    return stopped || provoker->child.ended();
  };
  require(eventually(there, kWatchdog), "the provoking process does not get to its point");
  return provoker;
}

bool TopicCase::await_fate() {
  const int rounds = scenario_.provocation == Provocation::none ? 1 : kMostProvocations;
  for (int round = 0; round < rounds && !failed_; ++round) {
    provoker_ = provoke();
    const std::uint64_t enough = progress() + (provoker_ == nullptr ? kNeverWithin : kSomeLaps);
    bool met = false;
    const auto settled = [&] {
      met = met || met_fate();
      return met || failed_ || victim_->child.ended() || progress() > enough;
    };
    require(eventually(settled, kWatchdog), "the victim neither gets to the point nor past it");
    if (met) return true;
    if (victim_->child.ended()) return false;
    if (provoker_ != nullptr) provoker_->child.signal(SIGCONT);
  }
  return false;
}

void TopicCase::require_progress(const std::string& when) {
  require(stress::survivors_get_on(place_), "the untouched two do not get on " + when);
  if (!scenario_.group || scenario_.only_member || failed_) return;
  const stress::Word& acknowledged = group_.members[0].acknowledged;
  const std::uint64_t before = value(acknowledged);
  require(eventually([&] { return value(acknowledged) > before; }), "the untouched member does not get on " + when);
}

/// The sum of what all publishers have begun and done.
std::uint64_t TopicCase::steps_of_publishers() const {
  std::uint64_t sum = 0;
  for (std::uint32_t w = 0; w < value(indices_.writers); ++w) {
    const stress::WriterLog& log = place_.shared.writers[w];
    sum += value(log.begun) + value(log.ok) + value(log.uncertain) + value(log.timeouts);
  }
  return sum;
}

void TopicCase::await_standstill() {
  (void)eventually([&] {
    const std::uint64_t before = steps_of_publishers();
    ::usleep(3000);
    return steps_of_publishers() == before;
  });
}

/// Continues a publisher that was stopped for a lap when it does most harm: while its cell holds a message that nobody
/// has read. Everybody else is held in that state until `done`.
void TopicCase::resume_at_the_worst_moment(Member& member, const std::function<void()>& done) {
  stress::Shared& shared = place_.shared;
  const std::int64_t since = shm::monotonic_ns();
  shared.hold_readers.store_release(1);
  if (world_ != World::reliable) {
    const std::uint64_t enough = value(shared.writers[0].begun) + 2 * kDepth;
    (void)eventually([&] { return value(shared.writers[0].begun) > enough; });
    shared.hold_writers.store_release(1);
  }
  await_standstill();
  member.child.signal(SIGCONT);
  done();
  shared.hold_writers.store_release(0);
  shared.hold_readers.store_release(0);
  held_long_ = held_long_ || shm::monotonic_ns() - since > kLongHold.count();
}

/// Continues a publisher whose position the subscriber has given up, before others get to its cell again.
void TopicCase::resume_within_the_lap() {
  stress::Shared& shared = place_.shared;
  const stress::Word& sent = shared.writers[0].begun;
  const stress::Word& received = shared.readers[0].received;
  const std::uint64_t behind_it = value(sent) + 2;
  (void)eventually([&] { return value(sent) >= behind_it; });
  const std::uint64_t before_it = value(received);
  shared.hold_writers.store_release(1);
  (void)eventually([&] { return value(received) > before_it; }, std::chrono::seconds{1});
  await_standstill();
  victim_->child.signal(SIGCONT);
  await_standstill();
  shared.hold_writers.store_release(0);
}

/// A publisher that goes on is heard again: it uses the same file as the others, and not one that only it knows.
void TopicCase::require_return() {
  if (!is_publisher(scenario_.role)) return;
  const stress::Shared& shared = place_.shared;
  const auto begun_and_heard = [&] {
    std::pair<std::uint64_t, std::uint64_t> sums;
    for (std::uint32_t w = 1; w < value(indices_.writers); ++w) {
      sums.first += value(shared.writers[w].begun);
      sums.second += value(shared.readers[0].from[w]);
    }
    return sums;
  };
  const auto before = begun_and_heard();
  const auto heard = [&] { return begun_and_heard().second > before.second; };
  (void)eventually([&] { return heard() || victim_->child.ended(); }, kWatchdog);
  require(eventually([&] { return heard() || begun_and_heard().first == before.first; }, std::chrono::seconds{1}),
          "nobody hears the victim any more");
}

/// The stopped subscriber has been evicted by the untouched publisher and joins again, which evicts it no second time.
void TopicCase::continue_provoker() {
  const stress::ReaderLog& log = place_.shared.readers[value(indices_.readers) - 1];
  provoker_->child.signal(SIGCONT);
  require(eventually([&] { return value(log.received) > kSomeLaps; }, kWatchdog), "the evicted subscriber is stuck");
  once_evicted_ = &log;
}

void TopicCase::live_on() {
  const bool waits = scenario_.alone && target_.holds_up_opening && fate_ != Fate::kill;
  if (waits) victim_->child.signal(fate_ == Fate::stop_and_kill ? SIGKILL : SIGCONT);
  victim_->may_die = fate_ == Fate::kill || fate_ == Fate::stop_and_kill;
  if (scenario_.alone) start_survivors();
  if (fate_ == Fate::stop_briefly && !waits) resume_within_the_lap();
  require_progress("after the victim's fate");
  if (waits && fate_ != Fate::stop_and_kill) require_return();
  if (scenario_.provocation == Provocation::publisher_stops_copying) {
    resume_at_the_worst_moment(*provoker_, [&] { await_standstill(); });
    require_progress("after the publisher went on that the victim had to do with");
  }
  if (fate_ == Fate::kill || fate_ == Fate::stop_briefly || waits) return;
  if (scenario_.provoker_goes_first) continue_provoker();
  if (fate_ == Fate::stop_and_kill) {
    victim_->child.signal(SIGKILL);
  } else if (is_publisher(scenario_.role) && !scenario_.provoker_goes_first) {
    resume_at_the_worst_moment(*victim_, [&] { await_standstill(); });
  } else {
    victim_->child.signal(SIGCONT);
  }
  require_progress("after the stopped victim went on, or was killed");
  if (fate_ == Fate::stop) require_return();
}

Outcome TopicCase::run() {
  if (!scenario_.alone) start_survivors();
  if (scenario_.leftover) leave_something();
  start_victim();
  const bool reached = await_fate();
  if (reached && !failed_) live_on();
  if (!reached && scenario_.alone && !failed_) start_survivors();
  if (scenario_.payload != Payload::cells) {
    keeper_.emplace(slick::TopicFile::open(place_.spec, slick::parse_topic_options(place_.spec), place_.context()));
  }
  require(all_end(), "a process does not end");
  if (!failed_) check_books();
  if (!failed_ && scenario_.group) check_group();
  if (!failed_ && keeper_) check_pool();
  keeper_.reset();
  if (!failed_) check_heir();
  return failed_ ? Outcome::failed : reached ? Outcome::reached : Outcome::not_reached;
}

}  // namespace sluice::kill_points
