#include "stress/stress_books.hpp"
#include "stress/stress_process.hpp"

namespace sluice::stress {

namespace {

/// Kills, stops and replaces writers and readers at random while one writer and one reader are never touched. Those two
/// must get on after every single action. The other writers also kill or stop themselves in the middle of a copy.
class Campaign {
 public:
  Campaign(const Options& options, const Place& place) : options_(options), place_(place), random_(options.seed) {
    children_.reserve(2 * kMostProcesses);
    place_.shared.go.store_release(1);
    start_reader();  // the first of all, so that every message concerns it
    (void)test::eventually([&] { return value(place_.shared.ready) == 1; });
    for (std::uint32_t k = 0; k < options.writers; ++k) start_writer();
    for (std::uint32_t k = 1; k < options.readers; ++k) start_reader();
  }

  bool progress_everywhere() const { return survivors_get_on(place_); }

  /// One random misfortune of one random process that is not a survivor.
  bool act() {
    std::vector<std::size_t> victims;
    for (std::size_t i = 0; i < children_.size(); ++i) {
      if (!survives(i) && !children_[i].replaced) victims.push_back(i);
    }
    const std::size_t i = victims[random_() % victims.size()];
    Entry& victim = children_[i];
    const std::uint64_t what = random_() % 4;
    if (what < 2) {
      victim.child.signal(SIGKILL);
      if (!test::eventually([&] { return victim.child.ended(); })) return false;
      victim.stopped = false;
      victim.replaced = true;
      ++kills_;
      victim.writer ? start_writer() : start_reader();
    } else if (victim.stopped) {
      victim.child.signal(SIGCONT);
      victim.stopped = false;
    } else {
      victim.child.signal(SIGSTOP);
      victim.stopped = true;
      ++stops_;
    }
    return progress_everywhere();
  }

  /// Lets everybody go on and end in order: first those who write, so that those who read can have everything.
  bool end() {
    for (Entry& entry : children_) {
      entry.child.signal(SIGCONT);
    }
    place_.shared.stop.store_release(1);
    if (!wait_for(true)) return false;
    place_.shared.writers_done.store_release(1);
    return wait_for(false);
  }

  void check(Verdict& verdict) {
    std::uint64_t received = 0;
    for (Entry& entry : children_) {
      const std::string who = (entry.writer ? "writer " : "reader ") + std::to_string(entry.child.index);
      const bool killed = entry.child.code == 128 + SIGKILL;
      verdict.require(killed || entry.child.code == 0, who + " ended with " + std::to_string(entry.child.code));
      if (!entry.writer) check_reader(verdict, place_, entry.child.index, writers_, !killed);
      if (!entry.writer) received += value(place_.shared.readers[entry.child.index].received);
    }
    const SurvivorBooks books = check_survivor(verdict, place_, writers_);
    std::printf("reader 0: %llu positions, %llu received, %llu lost, %llu skipped; logs: %llu certain, %llu possible\n",
                static_cast<unsigned long long>(books.granted), static_cast<unsigned long long>(books.received),
                static_cast<unsigned long long>(books.lost), static_cast<unsigned long long>(books.skipped),
                static_cast<unsigned long long>(books.certain), static_cast<unsigned long long>(books.possible));
    std::printf("%u kills, %u stops, %llu messages received by all readers together\n", kills_, stops_,
                static_cast<unsigned long long>(received));
  }

 private:
  struct Entry {
    bool writer;
    bool stopped;
    bool replaced;
    Child child;
  };

  [[nodiscard]] bool survives(std::size_t i) const { return children_[i].child.index == 0; }

  void start_writer() {
    const std::uint32_t index = writers_++;
    children_.push_back(
        {true, false, false, Child(index, [this, index] { return write_messages(place_, index, UINT64_MAX); })});
  }
  void start_reader() {
    const std::uint32_t index = readers_++;
    children_.push_back({false, false, false, Child(index, [this, index] { return read_messages(place_, index); })});
  }

  bool wait_for(bool writers) {
    return test::eventually(
        [&] {
          bool all = true;
          for (Entry& entry : children_) {
            if (entry.writer != writers || entry.child.ended()) continue;
            entry.child.signal(SIGCONT);  // again and again: a writer may have stopped itself since
            all = false;
          }
          return all;
        },
        std::chrono::seconds{options_.watchdog});
  }

  const Options& options_;
  const Place& place_;
  std::mt19937_64 random_;
  std::vector<Entry> children_;
  std::uint32_t writers_ = 0;
  std::uint32_t readers_ = 0;
  std::uint32_t kills_ = 0;
  std::uint32_t stops_ = 0;
};

}  // namespace

int crash(const Options& options) {
  if (options.actions + options.writers + options.readers >= kMostProcesses) {
    throw std::invalid_argument("too many --actions");
  }
  Verdict verdict;
  const test::TemporaryDirectory directory;
  Place place{options, Shared::create(), directory.path(), make_spec(options)};
  place.spec.options["evict_after"] = {"1s", {}};
  place.spec.options["stall_timeout"] = {"100ms", {}};
  {
    Campaign campaign(options, place);
    verdict.require(campaign.progress_everywhere(), "nothing moves at the start");
    for (std::uint32_t i = 0; i < options.actions && verdict.exit_code() == 0; ++i) {
      verdict.require(campaign.act(), "the survivors do not get on after action " + std::to_string(i));
    }
    verdict.require(campaign.end(), "somebody does not end");
    if (verdict.exit_code() == 0) campaign.check(verdict);
  }
  verdict.require(std::filesystem::is_empty(directory.path()), "the topic's file was left behind");
  return verdict.exit_code();
}

}  // namespace sluice::stress
