#include "commands/control_commands.hpp"

namespace sluice::commands {

namespace {

struct Words {
  std::string node;
  std::string name;
  std::string value;
  bool flag = false;
};

void complete(CLI::App& app, Common& common, Words& words, bool named) {
  app.add_option("NODE", words.node, "Its name, with or without the first slash")->required();
  if (named) app.add_option("NAME", words.name, "The parameter")->required();
  app.add_option("--config", common.config_files,
                 "YAML files that say which domain (default: environment or domain 0)");
  app.add_flag("--json", common.json, "Print JSON");
}

}  // namespace

void add_param(CLI::App& app, Common& common, std::function<int()>& command) {
  auto* param = app.add_subcommand("param", "Parameters of running nodes")->require_subcommand(1);

  static ParamListOptions list_options;
  auto* list = param->add_subcommand("list", "Print the parameters that nodes declare");
  list->add_option("NODE", list_options.node, "Only of this node");
  list->add_option("--filter", list_options.filter, "Only names in which this regular expression is found");
  list->add_flag("--param-type", list_options.types, "Also print the type");
  list->add_option("--config", common.config_files, "YAML files that say which domain");
  list->add_flag("--json", common.json, "Print JSON");
  list->callback([&] { command = [&] { return param_list(common, list_options); }; });

  static Words get_words;
  auto* get = param->add_subcommand("get", "Print a parameter's value");
  complete(*get, common, get_words, true);
  get->add_flag("--hide-type", get_words.flag, "Only the value");
  get->callback([&] { command = [&] { return param_get(common, get_words.node, get_words.name, get_words.flag); }; });

  static Words set_words;
  auto* set = param->add_subcommand("set", "Set a parameter; exit code 1 if the node refuses");
  complete(*set, common, set_words, true);
  set->add_option("VALUE", set_words.value, "As after --param; a list as [1, 2]")->required();
  set->callback([&] { command = [&] { return param_set(common, set_words.node, set_words.name, set_words.value); }; });

  static Words describe_words;
  auto* describe = param->add_subcommand("describe", "Print a parameter's type, description and constraints");
  complete(*describe, common, describe_words, true);
  describe->callback(
      [&] { command = [&] { return param_describe(common, describe_words.node, describe_words.name); }; });

  static Words dump_words;
  auto* dump = param->add_subcommand("dump", "Print all parameters of a node as YAML");
  complete(*dump, common, dump_words, false);
  dump->callback([&] { command = [&] { return param_dump(common, dump_words.node); }; });

  static Words load_words;
  auto* load = param->add_subcommand("load", "Set what a file says about a node; exit code 1 if something is refused");
  complete(*load, common, load_words, false);
  load->add_option("FILE", load_words.value, "What `dump` printed, a ROS 2 parameter file, or a configuration")
      ->required();
  load->callback([&] { command = [&] { return param_load(common, load_words.node, load_words.value); }; });
}

void add_node_control(CLI::App& node, Common& common, std::function<int()>& command) {
  static Words shutdown_words;
  auto* shutdown = node.add_subcommand("shutdown", "End the process of a node, as SIGTERM does");
  complete(*shutdown, common, shutdown_words, false);
  shutdown->callback([&] { command = [&] { return node_shutdown(common, shutdown_words.node); }; });

  static Words level_words;
  auto* level = node.add_subcommand("log-level", "Print a node's log level, or set it");
  complete(*level, common, level_words, false);
  level->add_option("LEVEL", level_words.value, "trace, debug, info, warning, error, critical or off");
  level->callback([&] { command = [&] { return node_log_level(common, level_words.node, level_words.value); }; });
}

}  // namespace sluice::commands
