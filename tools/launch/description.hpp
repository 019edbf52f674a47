#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "scope.hpp"

// A launch file as it is written: checked for shape (keys, lists, mappings), nothing expanded, nothing decided.

namespace sluice::launch {

/// {name, value} or {from, to}.
struct Pair {
  Text left;
  Text right;
};

/// A command line: either one text that is split like a shell would, or the items of a list, taken as they are.
struct Words {
  bool split = false;
  std::vector<Text> texts;
};

struct ArgAction {
  Text name;
  std::optional<Text> default_value;
  std::string description;
  std::vector<Text> choices;  ///< Empty: any value will do.
};

struct LetAction {
  Text name;
  Text value;
};

struct SetEnvAction {
  Text name;
  Text value;
};

struct UnsetEnvAction {
  Text name;
};

struct PushNamespaceAction {
  Text name_space;
};

struct SetRemapAction {
  Pair remap;
};

struct SetParameterAction {
  Pair parameter;
};

struct ShutdownAction {
  std::optional<Text> reason;
};

struct LogAction {
  Text message;
};

/// What a process waits for: another process of the launch, or a node or a topic's publisher, whosever.
struct AwaitedText {
  std::string kind;  ///< "process", "node" or "topic".
  Text name;
};

/// What nodes and other executables have in common.
struct ProcessSettings {
  std::optional<Text> name;
  std::optional<Text> directory;
  std::optional<Text> required;
  std::optional<Text> on_exit;
  std::optional<Text> output;
  std::optional<Text> respawn;
  std::optional<Text> respawn_delay;
  std::optional<Text> max_respawns;
  std::optional<Text> respawn_window;
  std::vector<AwaitedText> after;
  std::optional<Text> after_timeout;
  Words arguments;
  std::vector<Pair> environment;
};

/// `param: [{from: FILE}]`
struct ParameterFile {
  Text file;
};

struct NodeAction {
  ProcessSettings process;
  Text executable;
  std::optional<Text> name_space;
  std::optional<std::vector<Text>> config_files;  ///< Absent: those of the root key `config`.
  std::vector<Pair> remaps;
  std::vector<std::variant<Pair, ParameterFile>> parameters;  ///< A later one wins.
};

struct ExecutableAction {
  ProcessSettings process;
  Words command;
};

struct IncludeAction {
  Text file;
  std::vector<Pair> arguments;
};

struct Action;

struct GroupAction {
  std::optional<Text> scoped;      ///< Absent: true.
  std::optional<Text> forwarding;  ///< Absent: true.
  std::vector<Pair> keep;
  std::vector<Action> children;
};

struct TimerAction {
  Text period;
  std::vector<Action> children;
};

struct Condition {
  Text value;
  bool wanted = true;  ///< `if` wants true, `unless` wants false.
};

struct Action {
  Origin origin;
  std::optional<Condition> condition;
  std::variant<ArgAction, LetAction, SetEnvAction, UnsetEnvAction, PushNamespaceAction, SetRemapAction,
               SetParameterAction, LogAction, ShutdownAction, NodeAction, ExecutableAction, IncludeAction, GroupAction,
               TimerAction>
      what;
};

struct Description {
  std::string file;       ///< As given by the user; absolute for an included one.
  std::string directory;  ///< Absolute.
  Origin origin;
  std::vector<Action> actions;
  std::vector<Text> config_files;
  std::optional<Text> run_for;
  std::optional<Text> sigterm_after;
  std::optional<Text> sigkill_after;
};

/// Throws ConfigError with file, line and column.
[[nodiscard]] Description load_description(const std::string& file);

/// The same from a text; `directory` is what $(dirname) means.
[[nodiscard]] Description parse_description(const std::string& text, const std::string& source,
                                            const std::string& directory);

}  // namespace sluice::launch
