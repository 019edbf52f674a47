#pragma once

#include <chrono>
#include <cstddef>
#include <iosfwd>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include <sluice/error.hpp>

// What a launch will do, with nothing left to decide: the supervisor reads this and no YAML.

namespace sluice::launch {

/// How a process is started anew when it has ended.
struct Respawn {
  std::chrono::nanoseconds delay{0};                          ///< Before it; longer for one that ends soon (Restarts).
  std::optional<std::size_t> most;                            ///< Restarts within `window`; absent: any number.
  std::chrono::nanoseconds window = std::chrono::minutes(1);  ///< See `most`.
};

/// What must be there before a process is started.
struct Awaited {
  enum class Kind {
    process,  ///< A process of the launch: a node is there when the domain knows it, an executable when it runs.
    node,     ///< A node of the domain.
    topic,    ///< A publisher of the topic.
  };
  Kind kind;
  std::string name;    ///< For people; of nodes and topics fully qualified.
  std::size_t step{};  ///< Of the plan: the process.
};

struct PlannedProcess {
  std::string label;                               ///< "talker-1": in the log, and before each line of output. Unique.
  std::string program;                             ///< Path of the file to execute.
  std::vector<std::string> arguments;              ///< Without argv[0].
  std::string directory;                           ///< Empty: where the launcher was started.
  std::map<std::string, std::string> environment;  ///< What differs from the launcher's own.
  std::set<std::string> without_environment;       ///< What it does not get from the launcher's own.
  bool required = false;
  std::optional<Respawn> respawn;
  bool is_node = false;  ///< The domain is going to know it.
  std::vector<Awaited> after;
  std::chrono::nanoseconds after_timeout = std::chrono::seconds(30);  ///< Then it is not started at all.
  std::chrono::nanoseconds delay{0};                                  ///< Since the start of the launch.

  /// As one would type it.
  [[nodiscard]] std::string command_line() const;
};

struct PlannedLog {
  std::string message;
  std::chrono::nanoseconds delay{0};
};

/// Ends the launch.
struct PlannedShutdown {
  std::string reason;
  std::chrono::nanoseconds delay{0};
};

using PlannedStep = std::variant<PlannedProcess, PlannedLog, PlannedShutdown>;

[[nodiscard]] std::chrono::nanoseconds delay_of(const PlannedStep& step);

/// Steps with the same delay are carried out in order.
struct Plan {
  std::string file;
  std::vector<PlannedStep> steps;
  std::vector<std::string> config_files;  ///< Of the launched file: they say which domain it is.
  std::optional<std::chrono::nanoseconds> run_for;
  std::chrono::nanoseconds sigterm_after = std::chrono::seconds(5);
  std::chrono::nanoseconds sigkill_after = std::chrono::seconds(5);

  [[nodiscard]] std::size_t process_count() const;
};

void print_plan(std::ostream& out, const Plan& plan);

}  // namespace sluice::launch
