#include "resolve.hpp"

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <map>
#include <utility>

#include <sluice/error.hpp>
#include <sluice/units.hpp>

#include "arguments.hpp"
#include "inclusion.hpp"
#include "order.hpp"
#include "process_planner.hpp"
#include "substitution.hpp"
#include "values.hpp"

namespace sluice::launch {

namespace {

namespace fs = std::filesystem;

constexpr std::chrono::nanoseconds kLongestDelay = std::chrono::hours(10000);

Places places_of(const Description& description, const std::string& own_directory) {
  return {description.directory, (fs::path(description.directory) / fs::path(description.file).filename()).string(),
          (fs::path(own_directory).parent_path() / "share").string()};
}

/// Carries out one launch file and those that it includes.
class Resolver {
 public:
  Resolver(const Description& description, std::string own_directory)
      : own_directory_(std::move(own_directory)),
        scope_(places_of(description, own_directory_)),
        inclusion_(scope_.places().file) {}

  Plan run(const Description& description, GivenArguments given) {
    plan_.file = description.file;
    carry_out_file(description, std::move(given));
    // Root keys may stand before `launch:` in the file and still use its variables, so they come last.
    if (description.run_for) plan_.run_for = expand_duration(*description.run_for, scope_, "'for'");
    const auto bound = [&](const std::optional<Text>& text, std::chrono::nanoseconds& value, const char* what) {
      if (text) value = expand_duration(*text, scope_, what);
    };
    bound(description.sigterm_after, plan_.sigterm_after, "'sigterm_after'");
    bound(description.sigkill_after, plan_.sigkill_after, "'sigkill_after'");
    order_.decide(plan_);
    return std::move(plan_);
  }

 private:
  /// Where the default configuration of a file goes, once it is known.
  struct Pending {
    std::size_t step;
    std::size_t position;
  };

  /// What belongs to one file while its actions are carried out.
  struct File {
    const Description* description;
    GivenArguments given;
    bool included;
    std::map<std::string, Origin> declared;
    std::vector<Pending> pending_config;
  };

  // A file without a configuration leaves its nodes to the file that includes it.
  void carry_out_file(const Description& description, GivenArguments given) {
    File outer = std::exchange(file_, {&description, std::move(given), file_.description != nullptr, {}, {}});
    carry_out(description.actions);
    if (description.config_files.empty()) {
      outer.pending_config.insert(outer.pending_config.end(), file_.pending_config.begin(), file_.pending_config.end());
    } else {
      const std::vector<std::string> options = config_options(description.config_files, scope_);
      if (!file_.included) {
        for (std::size_t i = 1; i < options.size(); i += 2) plan_.config_files.push_back(options[i]);
      }
      for (const Pending& pending : file_.pending_config) {
        auto& arguments = std::get<PlannedProcess>(plan_.steps[pending.step]).arguments;
        arguments.insert(std::next(arguments.begin(), static_cast<std::ptrdiff_t>(pending.position)), options.begin(),
                         options.end());
      }
    }
    file_ = std::move(outer);
  }

  void carry_out(const std::vector<Action>& actions) {
    for (const Action& action : actions) {
      if (!wanted(action)) continue;
      std::visit([&](const auto& what) { carry_out(what, action.origin); }, action.what);
    }
  }

  [[nodiscard]] bool wanted(const Action& action) const {
    if (!action.condition) return true;
    const Condition& condition = *action.condition;
    return expand_bool(condition.value, scope_, condition.wanted ? "'if'" : "'unless'") == condition.wanted;
  }

  void carry_out(const ArgAction& action, const Origin& origin) {
    const std::string& name = action.name.text;
    if (const auto [earlier, fresh] = file_.declared.emplace(name, origin); !fresh) {
      throw ConfigError(origin, "argument '" + name + "' is declared twice; first at " + earlier->second.text());
    }
    const Text value = value_of(action, origin);
    require_choice(action, value, scope_);
    scope_.set_variable(name, value.text);
  }

  // What the including files know by that name counts as given, as in ROS 2.
  [[nodiscard]] Text value_of(const ArgAction& action, const Origin& origin) const {
    const std::string& name = action.name.text;
    if (const auto given = file_.given.find(name); given != file_.given.end()) return given->second;
    if (const std::string* known = scope_.variable(name); known != nullptr && file_.included) return {*known, origin};
    if (action.default_value) return {expand(*action.default_value, scope_), action.default_value->origin};
    const std::string remedy = file_.included ? "give it in 'arg' of the include" : "give it as " + name + ":=VALUE";
    throw ConfigError(origin, "argument '" + name + "' has no default; " + remedy);
  }

  void carry_out(const LetAction& action, const Origin&) {
    scope_.set_variable(action.name.text, expand(action.value, scope_));
  }

  void carry_out(const SetEnvAction& action, const Origin&) {
    const std::string name = environment_name(action.name, scope_);
    scope_.set_environment(name, expand(action.value, scope_));
  }

  void carry_out(const UnsetEnvAction& action, const Origin&) {
    scope_.unset_environment(environment_name(action.name, scope_));
  }

  void carry_out(const PushNamespaceAction& action, const Origin&) {
    scope_.set_name_space(joined_namespace(scope_.name_space(), expand(action.name_space, scope_)));
  }

  void carry_out(const SetRemapAction& action, const Origin&) { scope_.add_remap(assignment(action.remap, scope_)); }

  void carry_out(const SetParameterAction& action, const Origin&) {
    scope_.add_parameter(assignment(action.parameter, scope_));
  }

  void carry_out(const LogAction& action, const Origin&) {
    plan_.steps.emplace_back(PlannedLog{expand(action.message, scope_), delay_});
  }

  void carry_out(const ShutdownAction& action, const Origin&) {
    plan_.steps.emplace_back(
        PlannedShutdown{action.reason ? expand(*action.reason, scope_) : "no reason given", delay_});
  }

  void carry_out(const NodeAction& action, const Origin& origin) {
    add(plan_node(action, scope_, plan_.process_count() + 1, own_directory_), action.process, origin);
  }

  void carry_out(const ExecutableAction& action, const Origin& origin) {
    add(plan_executable(action, origin, scope_, plan_.process_count() + 1, own_directory_), action.process, origin);
  }

  void carry_out(const GroupAction& action, const Origin&) {
    const bool scoped = !action.scoped || expand_bool(*action.scoped, scope_, "'scoped' of group");
    const bool forwarding = !action.forwarding || expand_bool(*action.forwarding, scope_, "'forwarding' of group");
    const Scope outer = scope_;
    if (scoped && !forwarding) scope_ = Scope(outer.places());
    for (const Pair& pair : action.keep) scope_.set_variable(expand(pair.left, outer), expand(pair.right, outer));
    carry_out(action.children);
    if (scoped) scope_ = outer;
  }

  void carry_out(const TimerAction& action, const Origin&) {
    const Scope outer = scope_;
    const auto outer_delay = delay_;
    const auto added = expand_seconds(action.period, scope_, "'period' of timer");
    if (added > kLongestDelay - delay_) {
      throw ConfigError(action.period.origin, "'period' of timer: " + format_duration(added) + " after " +
                                                  format_duration(delay_) + " is more than " +
                                                  format_duration(kLongestDelay));
    }
    delay_ += added;
    carry_out(action.children);
    delay_ = outer_delay;
    scope_ = outer;
  }

  void carry_out(const IncludeAction& action, const Origin& origin) {
    const Description included = inclusion_.enter(path_of(action.file, scope_), action.file.origin);
    GivenArguments given;
    for (const Pair& pair : action.arguments) {
      const Text name{expand(pair.left, scope_), pair.left.origin};
      require_declared(included, name);
      given[name.text] = {expand(pair.right, scope_), pair.right.origin};
    }
    const Scope outer = scope_;
    const std::string outer_route = std::exchange(route_, "; included from " + origin.text() + route_);
    scope_.enter_file(included.directory, included.file);
    try {
      carry_out_file(included, std::move(given));
    } catch (const ConfigError& error) {
      throw with_remark(error, "; included from " + origin.text());
    }
    scope_ = outer;
    route_ = outer_route;
    inclusion_.leave();
  }

  void add(PlannedNode planned, const ProcessSettings& settings, const Origin& origin) {
    if (!planned.full_name.empty()) claim_name(planned.full_name, settings.name->origin, origin);
    if (planned.wants_config) file_.pending_config.push_back({plan_.steps.size(), planned.config_at});
    planned.process.delay = delay_;
    if (!planned.full_name.empty()) order_.add_process(plan_.steps.size(), planned.full_name);
    for (const AwaitedText& awaited : settings.after) add_wait(planned.process, awaited);
    plan_.steps.emplace_back(std::move(planned.process));
  }

  void add_wait(PlannedProcess& process, const AwaitedText& awaited) {
    Text name{expand(awaited.name, scope_), awaited.name.origin};
    if (awaited.kind == "process") return order_.add_wait(plan_.steps.size(), std::move(name));
    const auto kind = awaited.kind == "node" ? Awaited::Kind::node : Awaited::Kind::topic;
    process.after.push_back({kind, joined_namespace(scope_.name_space(), name.text), 0});
  }

  // Two processes with one name would be one node to everybody else.
  void claim_name(const std::string& name, const Origin& place, const Origin& origin) {
    const std::string where = origin.text() + (route_.empty() ? "" : " (" + route_.substr(2) + ")");
    if (const auto [earlier, fresh] = names_.emplace(name, where); !fresh) {
      throw ConfigError(
          place, "the process name '" + name + "' is taken by the one at " + earlier->second + "; names must differ");
    }
  }

  std::string own_directory_;
  Scope scope_;
  Inclusion inclusion_;
  File file_{};
  std::chrono::nanoseconds delay_{0};         ///< Of the timers around the action.
  std::map<std::string, std::string> names_;  ///< Of processes, with their places.
  std::string route_;                         ///< From where the file was included.
  Order order_;
  Plan plan_;
};

}  // namespace

Plan resolve(const Description& description, const std::vector<std::string>& assignments,
             const std::string& own_directory) {
  return Resolver(description, own_directory).run(description, parse_assignments(description, assignments));
}

}  // namespace sluice::launch
