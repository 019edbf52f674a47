#include "kill_points/campaign.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <stdexcept>

#include "kill_points/control_case.hpp"
#include "kill_points/eshm_case.hpp"
#include "kill_points/source_points.hpp"

namespace sluice::kill_points {

namespace {

constexpr std::uint32_t kMostTries = 4;  // to get to a point that some luck is needed for

/// A file of zeros that every process of the campaign maps: what the killed counted survives them.
shm::KillPointCounts* make_counts(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || ::ftruncate(file, sizeof(shm::KillPointCounts)) != 0) throw std::runtime_error("no file for counts");
  void* memory = ::mmap(nullptr, sizeof(shm::KillPointCounts), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (memory == MAP_FAILED) throw std::runtime_error("mmap failed");
  ::setenv("SLUICE_KILL_POINT_COUNTS", path.c_str(), 1);
  return static_cast<shm::KillPointCounts*>(memory);
}

bool in_world(const Scenario& scenario, World world) { return (scenario.worlds & static_cast<unsigned>(world)) != 0; }

}  // namespace

Campaign::Campaign(const Options& options)
    : options_(options), random_(options.seed), counts_(make_counts(directory_.path() + "/counts")) {
  if (options.world == "control") add_control_aims();
  if (options.world == "eshm") add_eshm_aims();
  for (const World world : kWorlds) {
    if (options.world == name_of(world)) add_topic_aims(world);
  }
  if (aims_.empty()) {
    throw std::invalid_argument("'" + options.world +
                                "' is none of reliable, best_effort, raw, raw_reliable, control, eshm");
  }
}

void Campaign::add_topic_aims(World world) {
  for (const Scenario& scenario : scenarios()) {
    if (!in_world(scenario, world)) continue;
    for (const Target& target : scenario.targets) {
      aims_.push_back({scenario.name,
                       target.point,
                       target.most_hits,
                       [&scenario, &target, world](std::uint64_t hit, Fate fate, std::uint64_t seed) {
                         return TopicCase(scenario, target, hit, fate, world, seed).run();
                       },
                       {}});
    }
  }
}

void Campaign::add_control_aims() {
  for (const ControlTarget& target : control_targets()) {
    aims_.push_back({target.alone ? "a node alone" : "nodes come and go",
                     target.point,
                     target.most_hits,
                     [&target](std::uint64_t hit, Fate fate, std::uint64_t /*seed*/) {
                       return run_control_case(target, hit, fate);
                     },
                     {}});
  }
}

void Campaign::add_eshm_aims() {
  for (const EshmScenario& scenario : eshm_scenarios()) {
    for (const Target& target : scenario.targets) {
      aims_.push_back({scenario.name,
                       target.point,
                       target.most_hits,
                       [&scenario, &target](std::uint64_t hit, Fate fate, std::uint64_t /*seed*/) {
                         return run_eshm_case(scenario, target, hit, fate);
                       },
                       {}});
    }
  }
}

bool Campaign::is_chosen(const Aim& aim) const {
  return aim.point.starts_with(options_.only) && aim.scenario.find(options_.scenario) != std::string::npos;
}

void Campaign::fail(const std::string& what) {
  ++failures_;
  std::printf("FAILED: %s\n", what.c_str());
}

void Campaign::run_case(Aim& aim, std::uint64_t hit, Fate fate) {
  ++cases_;
  const Outcome outcome = aim.run(hit, fate, random_());
  if (outcome == Outcome::reached) ++aim.reached[fate];
  if (outcome == Outcome::failed) ++failures_;
  std::fflush(stdout);
}

/// A death at the first hit, and one stop at a random one, which is continued or killed.
void Campaign::run_sample(Aim& aim) {
  for (std::uint32_t k = 0; k < kMostTries && aim.reached[Fate::kill] == 0 && failures_ == 0; ++k) {
    run_case(aim, 1, Fate::kill);
  }
  const Fate fate = kFates[1 + random_() % (kFates.size() - 1)];
  for (std::uint32_t k = 0; k < kMostTries && aim.reached[fate] == 0 && failures_ == 0; ++k) {
    run_case(aim, k == 0 ? 1 + random_() % aim.most_hits : 1, fate);
  }
}

void Campaign::run_product(Aim& aim) {
  for (std::uint32_t round = 0; round < options_.rounds; ++round) {
    for (const Fate fate : kFates) {
      std::set<std::uint64_t> hits{1, std::min<std::uint64_t>(2, aim.most_hits), 1 + random_() % aim.most_hits};
      for (const std::uint64_t hit : hits) {
        if (failures_ == 0) run_case(aim, hit, fate);
      }
    }
  }
}

int Campaign::run() {
  require_aims_for_all_points();
  for (Aim& aim : aims_) {
    if (!is_chosen(aim)) continue;
    options_.rounds == 0 ? run_sample(aim) : run_product(aim);
  }
  if (options_.only.empty() && failures_ == 0) judge();
  print_table();
  return failures_ == 0 ? 0 : 1;
}

/// A point without an aim would be a store into shared memory that no test dies at.
void Campaign::require_aims_for_all_points() {
  std::set<std::string> aimed;
  for (const Scenario& scenario : scenarios()) {
    for (const Target& target : scenario.targets) aimed.insert(target.point);
  }
  for (const ControlTarget& target : control_targets()) aimed.insert(target.point);
  for (const EshmScenario& scenario : eshm_scenarios()) {
    for (const Target& target : scenario.targets) aimed.insert(target.point);
  }
  const std::vector<std::string> points = source_points();
  for (const std::string& point : points) {
    if (aimed.count(point) == 0) fail("no scenario aims at kill point '" + point + "'");
  }
  for (const std::string& point : aimed) {
    if (!std::binary_search(points.begin(), points.end(), point)) fail("there is no kill point '" + point + "'");
  }
}

void Campaign::judge() {
  for (const Aim& aim : aims_) {
    if (!is_chosen(aim)) continue;
    std::uint32_t stops = 0;
    for (const auto& [fate, times] : aim.reached) stops += fate == Fate::kill ? 0 : times;
    const auto killed = aim.reached.find(Fate::kill);
    if (killed == aim.reached.end() || killed->second == 0) fail(aim.scenario + ": nobody died at " + aim.point);
    if (stops == 0) fail(aim.scenario + ": nobody stopped at " + aim.point);
  }
}

/// Hits of all processes of the campaign; deaths and stops also of those that only provoked.
void Campaign::print_table() {
  std::set<std::string> points;
  for (const Aim& aim : aims_) {
    if (is_chosen(aim)) points.insert(aim.point);
  }
  std::printf("%-32s %10s %8s %8s\n", "point", "hits", "killed", "stopped");
  for (const std::string& point : points) {
    const shm::KillPointCount& count = counts_->of(shm::kill_point_key(point));
    const std::uint64_t hits = count.hits.load_relaxed();
    std::printf("%-32s %10llu %8llu %8llu\n", point.c_str(), static_cast<unsigned long long>(hits),
                static_cast<unsigned long long>(count.killed.load_relaxed()),
                static_cast<unsigned long long>(count.stopped.load_relaxed()));
    if (hits == 0 && failures_ == 0) fail("kill point '" + point + "' was never reached");
  }
  std::printf("%s: %zu points, %u cases, seed %llu\n", options_.world.c_str(), points.size(), cases_,
              static_cast<unsigned long long>(options_.seed));
}

}  // namespace sluice::kill_points
