#pragma once

#include <optional>
#include <string>
#include <vector>

#include "slick/topic_file.hpp"
#include "stress/stress_process.hpp"
#include "stress/topic_traffic.hpp"

namespace sluice::stress {

/// One of the topics that are soaked.
struct SoakedKind {
  std::string name;
  bool reliable;
  bool chunks;
  bool group;
  std::uint32_t history;
};

/// What was done to processes.
struct Misfortunes {
  std::uint64_t kills = 0;
  std::uint64_t stops = 0;
  std::uint64_t leaves = 0;
  std::uint64_t starts = 0;
};

/// A topic with its processes: a publisher, a subscription and a member of the group that are never touched, and others
/// that are killed, stopped and told to leave, and come back.
class SoakedTopic {
 public:
  SoakedTopic(const SoakedKind& kind, const std::string& directory, Count* go_and_faults, std::uint64_t seed);

  /// Does something to a process, or starts one that is gone.
  void act(std::mt19937_64& random, Misfortunes& misfortunes);

  /// Lets those go on whose time has come, and starts those again that left of their own accord.
  void tend(Verdict& verdict, Misfortunes& misfortunes);

  /// Whether everybody who is never touched got on since the last time.
  [[nodiscard]] bool got_on();

  /// Lets everybody end in order: first those who publish. False: the watchdog.
  [[nodiscard]] bool end(Verdict& verdict);

  /// The survivors' books against the publishers' logs.
  void check(Verdict& verdict) const;

  /// After all have left: nothing is lent or held, and every chunk can be had. Then the file goes.
  void check_leftovers(Verdict& verdict);

  [[nodiscard]] std::uint64_t sent() const { return traffic_.log.sent.size(kPublishers); }
  [[nodiscard]] const std::string& name() const { return traffic_.spec.name; }

 private:
  static constexpr std::uint64_t kPublishers = 1U << 15U;  ///< Identities, of all lives together.
  static constexpr std::uint64_t kMessages = 2048;         ///< Of a publisher's life.

  using Clock = std::chrono::steady_clock;
  enum class Role { publisher, subscription, member };
  struct Slot {
    Role role;
    bool survives;
    ProcessLog* log;
    std::unique_ptr<Child> child = {};
    bool killed = false;
    std::optional<Clock::time_point> stopped_until = {};
    std::uint64_t progress = 0;
  };

  void add(Role role, bool survives);
  void start(Slot& slot);
  void resume(Slot& slot);
  [[nodiscard]] bool reap(Slot& slot, Verdict& verdict);
  [[nodiscard]] bool end(Verdict& verdict, bool publishers);
  void check_pool(Verdict& verdict, slick::TopicFile& file);
  [[nodiscard]] std::string label(const Slot& slot) const;

  SoakedKind kind_;
  Traffic traffic_;
  MessageSet alone_;     ///< What the surviving subscription has,
  MessageSet together_;  ///< the group,
  MessageSet others_;    ///< and those that come and go.
  ProcessLog* logs_;
  std::vector<Slot> slots_;
  std::uint64_t lives_ = 0;
  std::optional<slick::TopicFile> file_;
};

}  // namespace sluice::stress
