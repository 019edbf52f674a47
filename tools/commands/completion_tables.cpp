#include <algorithm>
#include <vector>

#include "commands/completion.hpp"

namespace sluice::commands {

namespace {

/// What completes an argument, as _sluice_candidates and the shells' own functions name it.
struct CompletionKind {
  const char* argument;  ///< A positional's name, or an option's longest.
  const char* under;     ///< Only of the commands that begin so.
  const char* kind;
};

constexpr CompletionKind kKinds[] = {
    {"TOPIC", "", "topic"},     {"NODE", "", "node"},     {"TYPE", "", "type"},
    {"FILE", "", "file"},       {"LEVEL", "", "level"},   {"NAME", "param", "parameter"},
    {"NAME", "slick", "slick"}, {"NAME", "eshm", "eshm"}, {"--config", "", "configuration"},
    {"--topic", "", "topic"},   {"--type", "", "type"},   {"--format", "", "format"},
};

constexpr const char* kNamesOfNow = R"shell(
# What may stand there, one a line, a description after a tab where there is one:
# _sluice_candidates KIND COMMAND PROGRAM NODE [--config FILE...]
_sluice_candidates() {
  local kind=$1 command=$2 program=$3 node=$4
  shift 4
  case "$kind" in
    subcommand) _sluice_subcommands "$command" ;;
    flag) _sluice_flags "$command" ;;
    topic) "$program" topic list "$@" ;;
    type) "$program" topic list --show-types "$@" | sed -n 's/.* \[\(.*\)\]$/\1/p' | sort -u ;;
    node) "$program" node list "$@" ;;
    parameter) "$program" param list "$node" "$@" | sed -n 's/^  //p' ;;
    slick) "$program" slick list | sed -e 1d -e 's/ .*//' ;;
    eshm) "$program" eshm list | sed -e 1d -e 's/ .*//' ;;
    format) printf '%s\n' auto hex text u64 i64 u32 i32 f64 ;;
    level) printf '%s\n' trace debug info warning error critical off ;;
  esac 2>/dev/null
}
)shell";

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char letter : text) result += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
  return result + "'";
}

std::string kind_of(const std::string& argument, const std::string& command) {
  for (const CompletionKind& kind : kKinds) {
    if (argument == kind.argument && command.starts_with(kind.under)) return kind.kind;
  }
  return "value";
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

std::vector<std::string> spellings(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  return names;
}

/// The bodies of the four `case` statements.
struct Tables {
  std::string subcommands;
  std::string flags;
  std::string values;
  std::string positionals;
};

void add_words(std::string& table, const std::string& command, const std::vector<std::string>& words) {
  if (words.empty()) return;
  table += "    " + quoted(command) + ") printf '%s\\t%s\\n'";
  for (const std::string& word : words) table += " \\\n      " + word;
  table += " ;;\n";
}

void add_options(Tables& tables, const CLI::App& app, const std::string& command) {
  std::vector<std::string> flags;
  int position = 0;
  for (const CLI::Option* option : app.get_options([](const CLI::Option*) { return true; })) {
    if (option->get_group().empty()) continue;  // hidden
    const std::vector<std::string> names = spellings(*option);
    if (names.empty()) {
      const bool repeats = option->get_items_expected_max() > 1;
      tables.positionals +=
          "    " + (repeats ? quoted(command + " ") + "*" : quoted(command + " " + std::to_string(position++))) +
          ") echo " + kind_of(option->get_single_name(), command) + " ;;\n";
      continue;
    }
    for (const std::string& name : names) flags.push_back(quoted(name) + " " + quoted(option->get_description()));
    if (!takes_value(*option)) continue;
    tables.values += "    ";
    for (const std::string& name : names) {
      tables.values += (name == names.front() ? "" : " | ") + quoted(command + " " + name);
    }
    tables.values += ") echo " + kind_of(names.front(), command) + " ;;\n";
  }
  add_words(tables.flags, command, flags);
}

void add_command(Tables& tables, const CLI::App& app, const std::string& command) {
  add_options(tables, app, command);
  std::vector<std::string> words;
  for (const CLI::App* subcommand : app.get_subcommands([](const CLI::App*) { return true; })) {
    words.push_back(quoted(subcommand->get_name()) + " " + quoted(subcommand->get_description()));
    add_command(tables, *subcommand, command + (command.empty() ? "" : " ") + subcommand->get_name());
  }
  add_words(tables.subcommands, command, words);
}

std::string function(const std::string& name, const std::string& key, const std::string& table) {
  return name + "() {\n  case " + key + " in\n" + table + "  esac\n}\n\n";
}

}  // namespace

std::string completion_tables(const CLI::App& app) {
  Tables tables;
  add_command(tables, app, "");
  return "# The words after a command such as 'topic list', or ''.\n" +
         function("_sluice_subcommands", "\"$1\"", tables.subcommands) +
         function("_sluice_flags", "\"$1\"", tables.flags) + "# What follows an option: COMMAND OPTION.\n" +
         function("_sluice_value", "\"$1 $2\"", tables.values) +
         "# What an argument is that belongs to no option: COMMAND POSITION.\n" +
         function("_sluice_positional", "\"$1 $2\"", tables.positionals) + (kNamesOfNow + 1);
}

}  // namespace sluice::commands
