#include "description.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <utility>

#include <sluice/detail/yaml_document.hpp>
#include <sluice/error.hpp>

#include "fields.hpp"

namespace sluice::launch {

namespace {

using detail::YamlNode;

// A list value becomes the flow form that a node reads back as YAML; quotes are kept, so that a quoted number stays
// text.
Text parameter_value(const YamlNode& node, const std::string& what) {
  if (!node.is_sequence()) return text_of(node, what);
  std::string flow;
  for (const YamlNode& item : node.items()) {
    const std::string& text = item.require_text("an item of " + what);
    flow += (flow.empty() ? "" : ", ") + (item.quoted() ? "\"" + text + "\"" : text);
  }
  return {"[" + flow + "]", node.origin()};
}

using Keys = std::vector<std::string>;

Keys with_conditions(Keys keys) {
  keys.insert(keys.end(), {"if", "unless"});
  return keys;
}

Keys with_process_keys(Keys keys) {
  keys.insert(keys.end(), {"name", "args", "env", "cwd", "output", "required", "on_exit", "respawn", "respawn_delay",
                           "max_respawns", "respawn_window", "after", "after_timeout"});
  return keys;
}

// A name alone is a process of this launch.
AwaitedText parse_awaited(const YamlNode& item, const std::string& what) {
  if (!item.is_mapping()) return {"process", text_of(item, what)};
  const Fields fields(item, what);
  fields.allow_only({"process", "node", "topic"});
  if (item.entries().size() != 1) throw ConfigError(fields.origin(), what + " has one key: process, node or topic");
  const std::string& kind = item.entries().front().key;
  return {kind, fields.name(kind)};
}

std::vector<AwaitedText> parse_after(const Fields& fields) {
  const YamlNode* after = fields.find("after");
  if (after == nullptr) return {};
  if (!after->is_sequence()) return {parse_awaited(*after, fields.label("after"))};
  std::vector<AwaitedText> awaited;
  for (const YamlNode& item : after->items()) {
    awaited.push_back(parse_awaited(item, "an item of " + fields.label("after")));
  }
  return awaited;
}

ProcessSettings process_settings(const Fields& fields) {
  ProcessSettings settings;
  settings.name = fields.optional_text("name");
  settings.directory = fields.optional_text("cwd");
  settings.required = fields.optional_text("required");
  settings.on_exit = fields.optional_text("on_exit");
  settings.output = fields.optional_text("output");
  settings.respawn = fields.optional_text("respawn");
  settings.respawn_delay = fields.optional_text("respawn_delay");
  settings.max_respawns = fields.optional_text("max_respawns");
  settings.respawn_window = fields.optional_text("respawn_window");
  settings.after = parse_after(fields);
  settings.after_timeout = fields.optional_text("after_timeout");
  if (const YamlNode* args = fields.find("args")) settings.arguments = fields.words(*args, "args");
  settings.environment = fields.pairs("env", "name", "value");
  return settings;
}

// ROS 2 writes `choice: [{value: a}]`; the plain list is for people.
std::vector<Text> choices_of(const Fields& fields) {
  std::vector<Text> choices;
  for (const char* key : {"choice", "choices"}) {
    for (const YamlNode& item : fields.items(key)) {
      const std::string what = "an item of " + fields.label(key);
      if (item.is_mapping()) {
        const Fields choice(item, what);
        choice.allow_only({"value"});
        choices.push_back(choice.text("value"));
      } else {
        choices.push_back(text_of(item, what));
      }
    }
    if (fields.find(key) && choices.empty()) {
      throw ConfigError(fields.need(key).origin(), fields.label(key) + " has no item, so no value would do");
    }
  }
  return choices;
}

ArgAction parse_arg(const Fields& fields) {
  if (fields.find("choice") && fields.find("choices")) {
    throw ConfigError(fields.origin(), "'choice' and 'choices' of arg mean the same; write one of them");
  }
  const auto description = fields.optional_text("description");
  return {fields.name("name"), fields.optional_text("default"), description ? description->text : "",
          choices_of(fields)};
}

std::variant<Pair, ParameterFile> parse_parameter(const YamlNode& item, const std::string& what) {
  const Fields fields(item, what);
  fields.allow_only({"name", "value", "from"});
  if (!fields.find("from")) {
    return Pair{fields.name("name"), parameter_value(fields.need("value"), fields.label("value"))};
  }
  if (item.entries().size() != 1) throw ConfigError(fields.origin(), "'from' of " + what + " stands alone");
  return ParameterFile{fields.name("from")};
}

NodeAction parse_node(const Fields& fields) {
  NodeAction node;
  node.process = process_settings(fields);
  node.executable = fields.name("exec");
  node.name_space = fields.optional_text("namespace");
  if (const YamlNode* config = fields.find("config")) node.config_files = one_or_many(*config, fields.label("config"));
  node.remaps = fields.pairs("remap", "from", "to");
  for (const YamlNode& item : fields.items("param")) {
    node.parameters.push_back(parse_parameter(item, "an item of " + fields.label("param")));
  }
  return node;
}

ExecutableAction parse_executable(const Fields& fields) {
  return {process_settings(fields), fields.words(fields.need("cmd"), "cmd")};
}

Pair parse_pair(const Fields& fields, const std::string& left, const std::string& right) {
  return {fields.name(left), fields.text(right)};
}

std::vector<Action> parse_actions(const YamlNode& list, const std::string& what);

GroupAction parse_group(const Fields& fields) {
  return {fields.optional_text("scoped"), fields.optional_text("forwarding"), fields.pairs("keep", "name", "value"),
          parse_actions(fields.need("children"), fields.label("children"))};
}

TimerAction parse_timer(const Fields& fields) {
  return {fields.text("period"), parse_actions(fields.need("children"), fields.label("children"))};
}

using What = decltype(Action::what);

struct ActionKind {
  Keys keys;
  std::function<What(const Fields&)> parse;
};

const std::map<std::string, ActionKind>& action_kinds() {
  const auto push_namespace = [](const Fields& f) { return PushNamespaceAction{f.text("namespace")}; };
  static const std::map<std::string, ActionKind> kinds{
      {"arg", {{"name", "default", "description", "choice", "choices"}, parse_arg}},
      {"let",
       {{"name", "value"},
        [](const Fields& f) {
          return LetAction{f.name("name"), f.text("value")};
        }}},
      {"set_env",
       {{"name", "value"},
        [](const Fields& f) {
          return SetEnvAction{f.name("name"), f.text("value")};
        }}},
      {"unset_env", {{"name"}, [](const Fields& f) { return UnsetEnvAction{f.name("name")}; }}},
      {"push_ros_namespace", {{"namespace"}, push_namespace}},
      {"push_namespace", {{"namespace"}, push_namespace}},
      {"set_remap", {{"from", "to"}, [](const Fields& f) { return SetRemapAction{parse_pair(f, "from", "to")}; }}},
      {"set_parameter",
       {{"name", "value"},
        [](const Fields& f) {
          return SetParameterAction{{f.name("name"), parameter_value(f.need("value"), f.label("value"))}};
        }}},
      {"log", {{"message"}, [](const Fields& f) { return LogAction{f.text("message")}; }}},
      {"shutdown", {{"reason"}, [](const Fields& f) { return ShutdownAction{f.optional_text("reason")}; }}},
      // `pkg` is accepted, so that files written for ROS 2 load; executables are found without it.
      {"node", {with_process_keys({"pkg", "exec", "namespace", "remap", "param", "config"}), parse_node}},
      {"executable", {with_process_keys({"cmd"}), parse_executable}},
      {"include",
       {{"file", "arg"},
        [](const Fields& f) {
          return IncludeAction{f.name("file"), f.pairs("arg", "name", "value")};
        }}},
      {"group", {{"scoped", "forwarding", "keep", "children"}, parse_group}},
      {"timer", {{"period", "children"}, parse_timer}},
  };
  return kinds;
}

std::optional<Condition> parse_condition(const Fields& fields, const Origin& origin) {
  const auto wanted = fields.optional_text("if");
  const auto unwanted = fields.optional_text("unless");
  if (wanted && unwanted) throw ConfigError(origin, "'if' and 'unless' exclude each other");
  if (wanted) return Condition{*wanted, true};
  if (unwanted) return Condition{*unwanted, false};
  return std::nullopt;
}

Action parse_action(const YamlNode& item) {
  item.require_mapping("a launch action");
  if (item.entries().size() != 1) {
    throw ConfigError(item.origin(), "a launch action has one key, as in '- node: {exec: talker}'; this one has " +
                                         std::to_string(item.entries().size()) + " (wrong indentation?)");
  }
  const YamlNode::Entry& entry = item.entries().front();
  const auto found = action_kinds().find(entry.key);
  if (found == action_kinds().end()) {
    Keys known;
    std::string list;
    for (const auto& [word, kind] : action_kinds()) {
      known.push_back(word);
      list += (list.empty() ? "" : ", ") + word;
    }
    const std::string hint = did_you_mean(entry.key, known);
    throw ConfigError(entry.origin,
                      "unknown launch action '" + entry.key + "'" + (hint.empty() ? "; known are " + list : hint));
  }
  if (entry.key == "group" && entry.value.is_sequence()) {
    return {entry.origin, std::nullopt, GroupAction{{}, {}, {}, parse_actions(entry.value, "group")}};
  }
  const Fields fields(entry.value, entry.key);
  fields.allow_only(with_conditions(found->second.keys));
  return {entry.origin, parse_condition(fields, entry.origin), found->second.parse(fields)};
}

std::vector<Action> parse_actions(const YamlNode& list, const std::string& what) {
  list.require_sequence(what);
  std::vector<Action> actions;
  for (const YamlNode& item : list.items()) actions.push_back(parse_action(item));
  return actions;
}

Description describe(const YamlNode& root, const std::string& source, const std::string& directory) {
  const Fields fields(root, "the launch file");
  fields.allow_only({"launch", "config", "for", "shutdown"});
  Description description;
  description.file = source;
  description.directory = directory;
  description.origin = root.origin();
  description.actions = parse_actions(fields.need("launch"), "'launch'");
  if (const YamlNode* config = fields.find("config")) description.config_files = one_or_many(*config, "'config'");
  description.run_for = fields.optional_text("for");
  if (const YamlNode* shutdown = fields.find("shutdown")) {
    const Fields times(*shutdown, "shutdown");
    times.allow_only({"sigterm_after", "sigkill_after"});
    description.sigterm_after = times.optional_text("sigterm_after");
    description.sigkill_after = times.optional_text("sigkill_after");
  }
  return description;
}

}  // namespace

Description parse_description(const std::string& text, const std::string& source, const std::string& directory) {
  return describe(detail::parse_yaml(text, source), source, directory);
}

Description load_description(const std::string& file) {
  const YamlNode root = detail::load_yaml(file);
  return describe(root, file, std::filesystem::absolute(file).lexically_normal().parent_path().string());
}

}  // namespace sluice::launch
