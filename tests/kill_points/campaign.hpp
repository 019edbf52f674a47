#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <sluice/shm/kill_point.hpp>

#include "kill_points/topic_case.hpp"
#include "support/temporary_directory.hpp"

namespace sluice::kill_points {

struct Options {
  std::string world;     ///< As kill_campaign names it.
  std::string only;      ///< Points whose name begins so; empty: all.
  std::string scenario;  ///< Scenarios whose name contains this; empty: all.
  std::uint64_t seed = 1;
  std::uint32_t rounds = 0;  ///< 0: a sample, one death and one stop for each aim. n: n times the full product.
};

/// The cases of one world, the counts of all their processes, and the verdict.
class Campaign {
 public:
  explicit Campaign(const Options& options);

  /// The exit code.
  int run();

 private:
  /// One aim: a point in a scenario. `run(hit, fate, seed)` is one case.
  struct Aim {
    std::string scenario;
    std::string point;
    std::uint32_t most_hits;
    std::function<Outcome(std::uint64_t, Fate, std::uint64_t)> run;
    std::map<Fate, std::uint32_t> reached;
  };

  void add_topic_aims(World world);
  void add_control_aims();
  void add_eshm_aims();
  [[nodiscard]] bool is_chosen(const Aim& aim) const;
  void run_sample(Aim& aim);
  void run_product(Aim& aim);
  void run_case(Aim& aim, std::uint64_t hit, Fate fate);
  void require_aims_for_all_points();
  void judge();
  void print_table();
  void fail(const std::string& what);

  Options options_;
  std::mt19937_64 random_;
  test::TemporaryDirectory directory_;
  shm::KillPointCounts* counts_ = nullptr;
  std::vector<Aim> aims_;
  std::uint32_t cases_ = 0;
  std::uint32_t failures_ = 0;
};

}  // namespace sluice::kill_points
