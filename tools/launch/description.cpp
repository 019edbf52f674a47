#include "description.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <utility>

#include <sluice/detail/yaml_document.hpp>
#include <sluice/error.hpp>

namespace sluice::launch {

namespace {

using detail::YamlNode;

Text text_of(const YamlNode& node, const std::string& what) { return {node.require_text(what), node.origin()}; }

/// The mapping behind one action (or one list item) and the word for it in errors.
class Fields {
 public:
  Fields(const YamlNode& node, std::string what) : node_(node), what_(std::move(what)) { node_.require_mapping(what_); }

  void allow_only(const std::vector<std::string>& keys) const { node_.require_known_keys(what_, keys); }

  [[nodiscard]] const YamlNode* find(const std::string& key) const { return node_.find(key); }

  [[nodiscard]] const YamlNode& need(const std::string& key) const {
    if (const YamlNode* value = find(key)) return *value;
    throw ConfigError(node_.origin(), what_ + " needs '" + key + "'");
  }

  [[nodiscard]] Text text(const std::string& key) const { return text_of(need(key), label(key)); }

  [[nodiscard]] Text name(const std::string& key) const {
    Text value = text(key);
    if (value.text.empty()) throw ConfigError(value.origin, label(key) + " must not be empty");
    return value;
  }

  [[nodiscard]] std::optional<Text> optional_text(const std::string& key) const {
    const YamlNode* value = find(key);
    return value ? std::optional(text_of(*value, label(key))) : std::nullopt;
  }

  [[nodiscard]] std::string label(const std::string& key) const { return "'" + key + "' of " + what_; }

 private:
  const YamlNode& node_;
  std::string what_;
};

std::vector<Text> texts_of(const YamlNode& node, const std::string& what) {
  std::vector<Text> texts;
  for (const YamlNode& item : node.items()) texts.push_back(text_of(item, "an item of " + what));
  return texts;
}

std::vector<Text> one_or_many(const YamlNode& node, const std::string& what) {
  return node.is_sequence() ? texts_of(node, what) : std::vector<Text>{text_of(node, what)};
}

Words words_of(const YamlNode& node, const std::string& what) { return {!node.is_sequence(), one_or_many(node, what)}; }

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

std::vector<Pair> pairs_of(const Fields& fields, const std::string& key, const std::string& left,
                           const std::string& right, Text (*value)(const YamlNode&, const std::string&) = text_of) {
  std::vector<Pair> pairs;
  const YamlNode* list = fields.find(key);
  if (!list) return pairs;
  list->require_sequence(fields.label(key));
  for (const YamlNode& item : list->items()) {
    const Fields pair(item, "an item of " + fields.label(key));
    pair.allow_only({left, right});
    pairs.push_back({pair.name(left), value(pair.need(right), pair.label(right))});
  }
  return pairs;
}

using Keys = std::vector<std::string>;

Keys with_conditions(Keys keys) {
  keys.insert(keys.end(), {"if", "unless"});
  return keys;
}

ProcessSettings process_settings(const Fields& fields) {
  ProcessSettings settings;
  settings.name = fields.optional_text("name");
  settings.directory = fields.optional_text("cwd");
  settings.required = fields.optional_text("required");
  settings.output = fields.optional_text("output");
  if (const YamlNode* args = fields.find("args")) settings.arguments = words_of(*args, fields.label("args"));
  settings.environment = pairs_of(fields, "env", "name", "value");
  return settings;
}

ArgAction parse_arg(const Fields& fields) {
  const auto description = fields.optional_text("description");
  return {fields.name("name"), fields.optional_text("default"), description ? description->text : ""};
}

NodeAction parse_node(const Fields& fields) {
  NodeAction node;
  node.process = process_settings(fields);
  node.executable = fields.name("exec");
  node.name_space = fields.optional_text("namespace");
  if (const YamlNode* config = fields.find("config")) node.config_files = one_or_many(*config, fields.label("config"));
  node.remaps = pairs_of(fields, "remap", "from", "to");
  node.parameters = pairs_of(fields, "param", "name", "value", parameter_value);
  return node;
}

ExecutableAction parse_executable(const Fields& fields) {
  return {process_settings(fields), words_of(fields.need("cmd"), fields.label("cmd"))};
}

using What = decltype(Action::what);

struct ActionKind {
  Keys keys;
  std::function<What(const Fields&)> parse;
};

const std::map<std::string, ActionKind>& action_kinds() {
  static const std::map<std::string, ActionKind> kinds{
      {"arg", {{"name", "default", "description"}, parse_arg}},
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
      {"log", {{"message"}, [](const Fields& f) { return LogAction{f.text("message")}; }}},
      // `pkg` is accepted, so that files written for ROS 2 load; executables are found without it.
      {"node",
       {{"pkg", "exec", "name", "namespace", "args", "env", "remap", "param", "config", "required", "output", "cwd"},
        parse_node}},
      {"executable", {{"cmd", "name", "args", "env", "cwd", "required", "output"}, parse_executable}},
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
    for (const auto& [word, kind] : action_kinds()) known.push_back(word);
    throw ConfigError(entry.origin, "unknown launch action '" + entry.key + "'" + did_you_mean(entry.key, known));
  }
  const Fields fields(entry.value, entry.key);
  fields.allow_only(with_conditions(found->second.keys));
  return {entry.origin, parse_condition(fields, entry.origin), found->second.parse(fields)};
}

Description describe(const YamlNode& root, const std::string& source, const std::string& directory) {
  const Fields fields(root, "the launch file");
  fields.allow_only({"launch", "config", "for", "shutdown"});
  Description description;
  description.file = source;
  description.directory = directory;
  description.origin = root.origin();
  const YamlNode& list = fields.need("launch");
  list.require_sequence("'launch'");
  for (const YamlNode& item : list.items()) description.actions.push_back(parse_action(item));
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
