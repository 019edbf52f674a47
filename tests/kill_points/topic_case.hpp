#pragma once

#include <sys/mman.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>

#include "kill_points/group_log.hpp"
#include "kill_points/roles.hpp"
#include "kill_points/scenarios.hpp"
#include "slick/topic_file.hpp"
#include "stress/stress_process.hpp"

namespace sluice::kill_points {

inline constexpr std::chrono::seconds kWatchdog{60};  ///< Of every wait that is for something that must come.

enum class Outcome { reached, not_reached, failed };

/// Starts `body` in a process that dies with us and that follows `plan`.
[[nodiscard]] stress::Child start_process(const std::string& plan, const std::function<int()>& body);

/// Zeros that all processes of a case share.
template <typename T>
T& shared_memory() {
  void* memory = ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("mmap failed");
  return *::new (memory) T;  // which the kernel filled
}

/// One topic, an untouched publisher and subscriber, and a victim that dies or stops at one point.
///
///   untouched two -> victim (and what provokes it) -> its fate -> the two get on -> all end -> books -> an heir
///
/// Stopped: the two get on while it is stopped, and again after it has been continued or killed.
class TopicCase {
 public:
  TopicCase(const Scenario& scenario, const Target& target, std::uint64_t hit, Fate fate, World world,
            std::uint64_t seed);
  ~TopicCase();
  TopicCase(const TopicCase&) = delete;
  TopicCase& operator=(const TopicCase&) = delete;

  [[nodiscard]] Outcome run();

 private:
  struct Member {
    stress::Child child;
    bool reads = false;
    bool may_die = false;
    std::uint32_t stops = 0;
  };

  Member& start(bool reads, const std::string& plan, const TopicSpec& spec, Role role);
  void start_survivors();
  void start_untouched_member();
  [[nodiscard]] std::string segment_path() const;
  void leave_something();
  void leave_unversioned_segment();
  void start_victim();
  [[nodiscard]] bool await_fate();
  [[nodiscard]] bool met_fate();
  Member* provoke();
  [[nodiscard]] std::uint64_t progress() const;
  void require_return();
  void require_progress(const std::string& when);
  void continue_provoker();
  void live_on();
  [[nodiscard]] std::uint64_t steps_of_publishers() const;
  void await_standstill();
  void resume_at_the_worst_moment(Member& member, const std::function<void()>& done);
  void resume_within_the_lap();
  void require(bool condition, const std::string& what);
  [[nodiscard]] bool all_end();
  [[nodiscard]] bool wait_for(bool readers);
  void check_books();
  void check_group();
  void check_group_messages(std::uint32_t members, bool somebody_died);
  void check_pool();
  void check_heir();

  const Scenario& scenario_;
  const Target& target_;
  Fate fate_;
  World world_;
  std::string plan_;
  stress::Options options_;
  test::TemporaryDirectory directory_;
  stress::Place place_;
  Indices& indices_;
  GroupLog& group_;
  std::optional<slick::TopicFile> keeper_;  ///< Of the topic's file, from before the end: so it is there afterwards.
  std::deque<Member> members_;
  Member* victim_ = nullptr;
  Member* provoker_ = nullptr;
  const stress::ReaderLog* once_evicted_ = nullptr;
  std::uint32_t steps_before_ = 0;
  bool held_long_ = false;  ///< Our own pauses may have cost the untouched subscriber its place.
  bool failed_ = false;
};

}  // namespace sluice::kill_points
