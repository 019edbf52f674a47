#include "kill_points/eshm_case.hpp"

#include <unistd.h>

#include <cstdio>
#include <memory>

#include <sluice/eshm/inspect.hpp>
#include <sluice/eshm/segment.hpp>

#include "kill_points/eshm_players.hpp"

namespace sluice::kill_points {

namespace {

using eshm::Side;
using test::eventually;
using Found = EshmScenario::Found;

constexpr int kMostVisits = 60;
constexpr std::uint64_t kSomeProgress = 20;
constexpr std::size_t kVictimsLog = 0;
constexpr std::size_t kHeirsLog = 1;

std::vector<Target> writing() {
  return {{"mailbox.write.odd", 20},  {"mailbox.write.half", 20},    {"mailbox.write.data", 20},
          {"mailbox.write.even", 20}, {"mailbox.write.counted", 20}, {"mailbox.write.wake_seq", 20}};
}

std::vector<Target> with_writing(std::vector<Target> targets) {
  for (const Target& target : writing()) targets.push_back(target);
  return targets;
}

class EshmCase {
 public:
  EshmCase(const EshmScenario& scenario, const Target& target, std::uint64_t hit, Fate fate)
      : scenario_(scenario),
        target_(target),
        fate_(fate),
        plan_(target.point + ":" + std::to_string(hit) + (fate == Fate::kill ? ":kill" : ":stop")) {}
  EshmCase(const EshmCase&) = delete;
  EshmCase& operator=(const EshmCase&) = delete;
  ~EshmCase() {
    ::munmap(&shared_, sizeof(EshmShared));
    if (failed_) (void)::unlink(path_.c_str());
  }

  Outcome run() { return scenario_.topics ? run_topics() : run_channels(); }

 private:
  Outcome run_topics() {
    victim_ = start(plan_, [this] { return visit_topic(place_, kMostVisits, scenario_.replaced); });
    const bool reached = met_fate();
    if (reached && fate_ != Fate::kill) victim_->signal(fate_ == Fate::stop_and_kill ? SIGKILL : SIGCONT);
    shared_.stop_victim.store_release(1);
    require_end(*victim_, reached && dies() ? 128 + SIGKILL : 0, "the victim");
    shared_.stop_victim.store_release(0);
    auto heir = start("", [this] { return visit_topic(place_, 3, false); });
    require_end(*heir, 0, "the heir");
    check_nothing_left();
    return failed_ ? Outcome::failed : reached ? Outcome::reached : Outcome::not_reached;
  }

  Outcome run_channels() {
    prepare();
    victim_ = start(plan_, [this] { return play_victim(); });
    const bool reached = !failed_ && met_fate();
    if (scenario_.alone) start_partner();
    if (reached) live_on();
    shared_.stop_victim.store_release(1);
    victim_->signal(SIGCONT);
    const bool died = reached && dies();
    require_end(*victim_, died ? 128 + SIGKILL : 0, "the victim");
    if (!failed_) inherit();
    shared_.stop_partner.store_release(1);
    require_end(*partner_, 0, "the partner");
    if (!failed_) check_books(died);
    check_nothing_left();
    return failed_ ? Outcome::failed : reached ? Outcome::reached : Outcome::not_reached;
  }

  [[nodiscard]] bool dies() const { return fate_ == Fate::kill || fate_ == Fate::stop_and_kill; }

  void require(bool condition, const std::string& what) {
    if (condition) return;
    failed_ = true;
    std::printf("FAILED: eshm: %s, %s: %s\n", scenario_.name.c_str(), plan_.c_str(), what.c_str());
  }

  std::unique_ptr<stress::Child> start(const std::string& plan, const std::function<int()>& body) {
    return std::make_unique<stress::Child>(start_process(plan, body));
  }

  void require_end(stress::Child& child, int code, const std::string& who) {
    require(eventually([&] { return child.ended(); }, kWatchdog), who + " does not end");
    require(child.code == code, who + " ended with " + std::to_string(child.code));
  }

  void prepare() {
    if (scenario_.found == Found::dead_master) {
      auto first = start("", [this] { return wait_in_channel(place_); });
      start_partner();
      first->signal(SIGKILL);
      require_end(*first, 128 + SIGKILL, "the first master");
      return;
    }
    if (scenario_.found != Found::nothing) leave_dead_channel();
    if (!scenario_.alone) start_partner();
  }

  void leave_dead_channel() {
    eshm::SegmentRequest request;
    request.name = name_;
    request.max_size = scenario_.found == Found::channel_of_other_size ? 100 : 2048;
    const auto segment = eshm::create_segment(request, [](eshm::Segment&) {});
    segment->header().master_alive.store_relaxed(1);
  }

  void start_partner() {
    partner_ = start("", [this] {
      return scenario_.partner_visits ? partner_that_visits(place_) : stay_in_channel(place_, other(scenario_.victim));
    });
    // A slave's channel is not open before the victim's is.
    if (scenario_.found != Found::dead_master && scenario_.victim == Side::master) return;
    const auto is_there = [&] {
      return shared_.partner_open.load_acquire() != 0 || shared_.progress.load_acquire() != 0;
    };
    require(eventually(is_there, kWatchdog), "the partner does not come");
  }

  int play_victim() {
    return scenario_.partner_visits
               ? follow_master(place_, UINT64_MAX)
               : visit_channel(place_, scenario_.victim, kVictimsLog, kMostVisits, !scenario_.alone);
  }

  bool met_fate() {
    bool stopped = false;
    const auto settled = [&] {
      stopped = stopped || victim_->stopped();
      return stopped || victim_->ended();
    };
    require(eventually(settled, kWatchdog), "the victim neither gets to the point nor past it");
    return stopped || victim_->code == 128 + SIGKILL;
  }

  /// The partner's reads return whatever state the victim is in. (A slave that has no master yet has no reads.)
  void require_progress() {
    if (shared_.partner_open.load_acquire() == 0 && !scenario_.partner_visits) return;
    const std::uint64_t before = shared_.progress.load_acquire();
    const std::uint64_t more = scenario_.partner_visits ? 2 : kSomeProgress;
    require(eventually([&] { return shared_.progress.load_acquire() >= before + more; }, kWatchdog),
            "the partner does not get on");
  }

  void live_on() {
    require_progress();
    if (fate_ == Fate::kill) return;
    victim_->signal(fate_ == Fate::stop_and_kill ? SIGKILL : SIGCONT);
    require_progress();
  }

  /// Whoever comes next finds a channel that works, and the partner in it.
  void inherit() {
    shared_.stop_victim.store_release(0);
    auto heir = start("", [this] {
      if (scenario_.partner_visits) return follow_master(place_, kSomeProgress);
      return visit_channel(place_, scenario_.victim, kHeirsLog, 3, true);
    });
    require_end(*heir, 0, "the heir");
  }

  void check_books(bool died) {
    require(shared_.torn.load_acquire() == 0, "a torn message");
    if (scenario_.partner_visits) return;
    const EshmLog& victim = shared_.logs[kVictimsLog];
    std::uint64_t completed = victim.completed.load_acquire() + shared_.logs[kHeirsLog].completed.load_acquire();
    const std::uint64_t in_flight = victim.begun.load_acquire() - victim.completed.load_acquire();
    const bool in_write = target_.point.starts_with("mailbox.write.");
    if (died && in_write) {
      require(in_flight == 1, "the victim's log has " + std::to_string(in_flight) + " messages in flight");
    }
    // A write counts when its sequence becomes even.
    const bool counts = in_write && target_.point != "mailbox.write.odd" && target_.point != "mailbox.write.half" &&
                        target_.point != "mailbox.write.data";
    if (died && counts) completed += in_flight;
    const std::uint64_t received = shared_.received.load_acquire();
    const std::uint64_t conflated = shared_.conflated.load_acquire();
    require(received + conflated == completed, "received " + std::to_string(received) + " + conflated " +
                                                   std::to_string(conflated) + " is not the " +
                                                   std::to_string(completed) + " that the writers completed");
    require(shared_.logs[kHeirsLog].completed.load_acquire() != 0 && received != 0, "nothing was exchanged");
  }

  /// Who took a dead one's segment over does not remove it; it is found to be dead.
  void check_nothing_left() {
    (void)eshm::remove_dead_channel(path_);
    require(::access(path_.c_str(), F_OK) != 0, "a segment is left that cannot be removed");
  }

  const EshmScenario& scenario_;
  const Target& target_;
  Fate fate_;
  std::string plan_;
  std::string name_ = "sluice-test-" + std::to_string(::getpid());
  std::string path_ = eshm::segment_path(name_);
  EshmShared& shared_ = shared_memory<EshmShared>();
  EshmPlace place_{name_, shared_};
  std::unique_ptr<stress::Child> victim_;
  std::unique_ptr<stress::Child> partner_;
  bool failed_ = false;
};

}  // namespace

const std::vector<EshmScenario>& eshm_scenarios() {
  static const std::vector<EshmScenario> list{
      {.name = "masters come and go",
       .victim = Side::master,
       .targets = with_writing({{"channel.made", 3}, {"presence.left", 3}, {"channel.left", 3}})},
      {.name = "slaves come and go",
       .victim = Side::slave,
       .targets = with_writing({{"channel.place_taken", 3},
                                {"presence.generation", 3},
                                {"presence.pid", 3},
                                {"presence.alive", 3},
                                {"presence.left", 3},
                                {"channel.left", 3}})},
      {.name = "a master takes a dead one's segment over",
       .victim = Side::master,
       .found = Found::dead_master,
       .targets = with_writing({{"channel.place_taken"},
                                {"presence.generation"},
                                {"presence.pid"},
                                {"presence.alive"},
                                {"presence.left"},
                                {"channel.left"}})},
      {.name = "a master alone comes and goes",
       .victim = Side::master,
       .alone = true,
       .targets = {{"channel.made", 3}, {"presence.left", 3}, {"channel.left", 3}}},
      {.name = "a master replaces a dead channel",
       .victim = Side::master,
       .found = Found::dead_channel,
       .alone = true,
       .targets = {{"channel.place_taken"}, {"channel.removed_dead"}, {"channel.made"}}},
      {.name = "a master replaces a dead channel of another size",
       .victim = Side::master,
       .found = Found::channel_of_other_size,
       .alone = true,
       .targets = {{"channel.found_dead"}, {"channel.made"}}},
      {.name = "a slave follows its master into new segments",
       .victim = Side::slave,
       .partner_visits = true,
       .targets = {{"channel.reattached", 3}, {"mailbox.write.half", 20}}},
      {.name = "a topic's endpoints come and go",
       .topics = true,
       .targets = {{"link.office_left", 3}, {"link.last_out", 3}, {"presence.left", 3}}},
      {.name = "a topic's endpoints follow the name to a new segment",
       .topics = true,
       .replaced = true,
       .targets = {{"eshm.writer.moved", 3}, {"eshm.reader.moved", 3}}},
  };
  return list;
}

Outcome run_eshm_case(const EshmScenario& scenario, const Target& target, std::uint64_t hit, Fate fate) {
  return EshmCase(scenario, target, hit, fate).run();
}

}  // namespace sluice::kill_points
