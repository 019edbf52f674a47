#include <algorithm>
#include <cstdio>
#include <functional>

#include <CLI/CLI.hpp>

#include <sluice/error.hpp>

#include "commands/commands.hpp"
#include "commands/completion.hpp"
#include "commands/control_commands.hpp"
#include "commands/eshm_arguments.hpp"
#include "commands/examples.hpp"
#include "commands/slick_commands.hpp"
#include "commands/top.hpp"
#include "launch/launch_command.hpp"

namespace {

using sluice::commands::Common;
using Command = std::function<int()>;

void add_common(CLI::App& app, Common& common) {
  app.add_option("--config", common.config_files,
                 "YAML files that say which domain (default: environment or domain 0)");
  app.add_flag("--json", common.json, "Print JSON");
}

void add_node(CLI::App& app, Common& common, Command& command) {
  auto* node = app.add_subcommand("node", "Nodes of the domain")->require_subcommand(1);
  auto* list = node->add_subcommand("list", "Print the fully qualified name of every living node");
  static sluice::commands::NodeListOptions list_options;
  list->add_flag("-c,--count-nodes", list_options.count_only, "Print only how many there are");
  list->add_flag("-v,--verbose", list_options.verbose, "Also print process, executable and state");
  add_common(*list, common);
  list->callback([&] { command = [&] { return sluice::commands::node_list(common, list_options); }; });
  static std::string name;
  auto* info = node->add_subcommand("info",
                                    "Print what a node publishes and subscribes to, and how its process is; exit code "
                                    "1 if there is no such node");
  info->add_option("NODE", name, "Its name, with or without the first slash")->required();
  add_common(*info, common);
  info->callback([&] { command = [&] { return sluice::commands::node_info(common, name); }; });
  sluice::commands::add_node_control(*node, common, command);
}

void add_topic_find(CLI::App& topic, Common& common, Command& command) {
  static std::string type;
  auto* find = topic.add_subcommand("find", "Print the topics that carry a type; exit code 1 if there is none");
  find->add_option("TYPE", type, "As publishers and subscriptions name it")->required();
  add_common(*find, common);
  find->callback([&] { command = [&] { return sluice::commands::topic_find(common, type); }; });
}

/// What a message consists of.
CLI::Option* add_layout(CLI::App& app, std::string& layout, bool& packed) {
  auto* option = app.add_option("--layout", layout,
                                "The fields of a message, like \"u64 n; f64 x[3]; char name[16]\": u8 to u64, i8 to "
                                "i64, f32, f64, bool, char; aligned as the members of a C struct");
  app.add_flag("--packed", packed, "No gaps between the fields of --layout")->needs(option);
  return option;
}

void add_topic_echo(CLI::App& topic, Common& common, Command& command) {
  static sluice::commands::TopicEchoOptions options;
  static bool once = false;
  static bool hex = false;
  auto* echo = topic.add_subcommand("echo",
                                    "Print messages without taking part: nobody waits for this, and what it is too "
                                    "slow for it says");
  echo->add_option("TOPIC", options.topic, "Its name, with or without the first slash")->required();
  auto* format = echo->add_option("-f,--format", options.format,
                                  "auto (default: text if it is, else hex), hex, text, u64, i64, u32, i32, f64");
  auto* as_hex = echo->add_flag("--hex", hex, "As --format hex")->excludes(format);
  echo->add_flag("--raw", options.raw, "Only the bytes, to be piped on")->excludes(format)->excludes(as_hex);
  add_layout(*echo, options.layout, options.packed)->excludes(format)->excludes(as_hex)->excludes("--raw");
  auto* count = echo->add_option("-n,--count", options.count, "Stop after so many messages (default: at Ctrl-C)");
  echo->add_flag("--once", once, "Stop after one")->excludes(count);
  echo->add_option("--timeout", options.timeout, "Stop after so many seconds");
  add_common(*echo, common);
  echo->callback([&] {
    if (once) options.count = 1;
    if (hex) options.format = "hex";
    command = [&] { return sluice::commands::topic_echo(common, options); };
  });
}

void add_topic_pub(CLI::App& topic, Common& common, Command& command) {
  static sluice::commands::TopicPubOptions options;
  static bool once = false;
  auto* pub = topic.add_subcommand("pub", "Publish a message again and again, as a node of its own");
  pub->add_option("TOPIC", options.topic, "Its name, with or without the first slash")->required();
  pub->add_option("DATA", options.data, "The message: its text, with --hex its bytes, with --layout YAML")->required();
  auto* hex = pub->add_flag("--hex", options.hex, "DATA are hexadecimal digits");
  add_layout(*pub, options.layout, options.packed)->excludes(hex);
  pub->add_option("--type", options.type, "What the topic's publishers and subscriptions call its type");
  pub->add_option("-r,--rate", options.rate, "Messages a second")->check(CLI::PositiveNumber)->capture_default_str();
  auto* count = pub->add_option("-n,-t,--times", options.count, "Stop after so many (default: at Ctrl-C)");
  pub->add_flag("-1,--once", once, "Publish one message, as soon as somebody subscribes")->excludes(count);
  auto* wait = pub->add_option("-w,--wait-matching-subscriptions", options.wait_for,
                               "Begin when there are so many subscriptions (default: 0; with --once 1)");
  pub->add_flag("-q,--quiet", options.quiet, "Do not print a line for each message");
  add_common(*pub, common);
  pub->callback([&command, &common, wait] {
    if (once) options.count = 1;
    if (once && wait->count() == 0) options.wait_for = 1;
    command = [&common] { return sluice::commands::topic_pub(common, options); };
  });
}

void add_topic_watch(CLI::App& topic, Common& common, Command& command) {
  using Watch = int (*)(const Common&, const sluice::commands::TopicWatchOptions&);
  const auto complete = [&](CLI::App& app, Watch watch, sluice::commands::TopicWatchOptions& options) {
    app.add_option("TOPIC", options.topic, "Its name, with or without the first slash")->required();
    app.add_option("-w,--window", options.window, "Messages that count, the last ones")
        ->check(CLI::Range(1, 10'000'000))
        ->capture_default_str();
    app.add_option("--duration", options.seconds, "Stop after so many seconds (default: at Ctrl-C)");
    app.add_option("-n,--reports", options.reports, "Stop after so many reports (default: at Ctrl-C)");
    add_common(app, common);
    app.callback([&common, &command, &options, watch] { command = [&, watch] { return watch(common, options); }; });
  };
  static sluice::commands::TopicWatchOptions hz_options{.topic = {}, .window = 10'000};
  auto* hz = topic.add_subcommand("hz", "Print how often messages are published, once a second, without taking part");
  complete(*hz, sluice::commands::topic_hz, hz_options);
  static sluice::commands::TopicWatchOptions bw_options{.topic = {}, .window = 100};
  auto* bw = topic.add_subcommand("bw", "Print how many bytes are published, once a second, without taking part");
  complete(*bw, sluice::commands::topic_bw, bw_options);
  static sluice::commands::TopicWatchOptions delay_options{.topic = {}, .window = 10'000};
  auto* delay = topic.add_subcommand("delay",
                                     "Print how old messages are when they are seen, once a second, without taking "
                                     "part; exit code 1 if they do not say when they were published");
  complete(*delay, sluice::commands::topic_delay, delay_options);
}

void add_topic(CLI::App& app, Common& common, Command& command) {
  auto* topic = app.add_subcommand("topic", "Topics of the domain")->require_subcommand(1);
  auto* list = topic->add_subcommand("list", "Print the name of every topic that has an endpoint");
  static sluice::commands::TopicListOptions options;
  list->add_flag("-t,--show-types", options.types, "Also print the type");
  list->add_flag("-v,--verbose", options.verbose,
                 "Print publishers and subscribers, with their numbers, and how many of them "
                 "are late, lost or were refused");
  list->add_flag("-c,--count-topics", options.count_only, "Print only how many there are");
  add_common(*list, common);
  list->callback([&] { command = [&] { return sluice::commands::topic_list(common, options); }; });
  static sluice::commands::TopicInfoOptions info_options;
  auto* info = topic->add_subcommand("info",
                                     "Print a topic's type, endpoints, file, QoS, copies per delivery and chunks; exit "
                                     "code 1 if nobody has it open");
  info->add_option("TOPIC", info_options.topic, "Its name, with or without the first slash")->required();
  info->add_flag("-v,--verbose", info_options.verbose,
                 "Print a paragraph for each endpoint: state, QoS, books, latency");
  add_common(*info, common);
  info->callback([&] { command = [&] { return sluice::commands::topic_info(common, info_options); }; });
  add_topic_find(*topic, common, command);
  add_topic_echo(*topic, common, command);
  add_topic_pub(*topic, common, command);
  add_topic_watch(*topic, common, command);
}

void add_config_plan(CLI::App& config, Common& common, Command& command) {
  static sluice::commands::ConfigPlanOptions options;
  auto* plan = config.add_subcommand("plan",
                                     "Print the bytes, files, descriptors and threads that the topics take, and what "
                                     "there is; exit code 1 if it is not enough");
  plan->add_option("FILE", options.files, "YAML files, later ones override earlier ones")->required();
  plan->add_option("--topic", options.topics, "Only these topics; also ones that no file mentions");
  plan->add_option("--endpoints", options.endpoints,
                   "Publishers, and as many subscriptions, of each topic in one process (default: 1)")
      ->check(CLI::Range(0, 4096));
  plan->add_flag("--json", common.json, "Print JSON");
  plan->callback([&] { command = [&] { return sluice::commands::config_plan(common, options); }; });
}

void add_config(CLI::App& app, Common& common, Command& command) {
  auto* config = app.add_subcommand("config", "Configuration files")->require_subcommand(1);
  static std::vector<std::string> files;
  static std::vector<std::string> topics;

  auto* check = config->add_subcommand("check", "Say whether files can be used, or what is wrong and where");
  check->add_option("FILE", files, "YAML files, later ones override earlier ones")->required();
  check->add_flag("--json", common.json, "Print JSON");
  check->callback([&] { command = [&] { return sluice::commands::config_check(common, files); }; });

  auto* show = config->add_subcommand("show", "Print every resolved value and where it came from");
  show->add_option("FILE", files, "YAML files (default: none, so defaults and environment)");
  show->add_option("--topic", topics, "Only these topics; also ones that no file mentions");
  show->add_flag("--json", common.json, "Print JSON");
  show->callback([&] { command = [&] { return sluice::commands::config_show(common, files, topics); }; });
  add_config_plan(*config, common, command);
}

void add_plugin(CLI::App& app, Common& common, Command& command) {
  auto* plugin = app.add_subcommand("plugin", "Transports")->require_subcommand(1);
  auto* list = plugin->add_subcommand("list",
                                      "Print name, version, path and traits of every transport; exit code 1 if "
                                      "one cannot be used");
  add_common(*list, common);
  list->callback([&] { command = [&] { return sluice::commands::plugin_list(common); }; });
}

void add_shm(CLI::App& app, Common& common, Command& command) {
  auto* shm = app.add_subcommand("shm", "Files in shared memory")->require_subcommand(1);
  auto* list = shm->add_subcommand("list",
                                   "Print every file of the domain, and every SlickQueue segment and ESHM channel of "
                                   "this host: what it is, its bytes, age and owner, and who uses it");
  add_common(*list, common);
  list->callback([&] { command = [&] { return sluice::commands::shm_list(common); }; });
  static bool dry_run = false;
  auto* clean =
      shm->add_subcommand("clean", "Remove what dead processes left in the domain; living ones are not disturbed");
  clean->add_flag("--dry-run", dry_run, "Only say what would be removed");
  add_common(*clean, common);
  clean->callback([&] { command = [&] { return sluice::commands::shm_clean(common, dry_run); }; });
}

void add_doctor(CLI::App& app, Common& common, Command& command) {
  static std::string topic;
  auto* doctor = app.add_subcommand("doctor",
                                    "Say whether this machine is fit for Sluice, or of a topic, for each publisher and "
                                    "subscription, why data flows or does not; exit code 1 if something is wrong");
  doctor->add_option("TOPIC", topic, "Its name, with or without the first slash (default: check the machine)");
  add_common(*doctor, common);
  doctor->callback([&] {
    command = [&] {
      return topic.empty() ? sluice::commands::doctor(common) : sluice::commands::doctor_topic(common, topic);
    };
  });
}

void add_slick_read(CLI::App& slick, Common& common, Command& command) {
  static sluice::commands::SlickReadOptions options;
  auto* read = slick.add_subcommand("read", "Print messages; disturbs nobody, maps the segment for reading only");
  read->add_option("NAME", options.name, "Segment, with or without the slash")->required();
  read->add_option("--from", options.from, "next (default), oldest, last, or an index");
  read->add_option("-f,--format", options.format, "hex (default), auto, text, u64, i64, u32, i32, f64");
  read->add_option("-n,--count", options.count, "Stop after so many messages (default: at Ctrl-C)");
  read->add_flag("--no-wait", options.no_wait, "Stop at the end of what is there");
  read->add_flag("--json", common.json, "Print JSON, one object a line");
  read->callback([&] { command = [&] { return sluice::commands::slick_read(common, options); }; });
}

void add_slick_write(CLI::App& slick, Common& common, Command& command) {
  static sluice::commands::SlickWriteOptions options;
  auto* write = slick.add_subcommand("write", "Publish messages, padded with zeros to whole elements");
  write->add_option("NAME", options.name, "Segment, with or without the slash")->required();
  write->add_option("TEXT", options.texts, "Messages (default: the lines of standard input)");
  write->add_flag("--hex", options.hex, "The messages are hexadecimal bytes");
  write->add_option("-n,--count", options.count, "Write them so many times (default: once)");
  write->add_option("-r,--rate", options.rate, "Messages a second (default: as fast as possible)");
  write->add_option("--create", options.create, "Create it with so many elements if there is none; it stays");
  write->add_option("--element", options.element, "Bytes of one element");
  write->callback([&] { command = [&] { return sluice::commands::slick_write(common, options); }; });
}

void add_slick(CLI::App& app, Common& common, Command& command) {
  auto* slick = app.add_subcommand("slick", "SlickQueue segments of any program")->require_subcommand(1);
  auto* list = slick->add_subcommand("list", "Print every SlickQueue segment of this host");
  list->add_flag("--json", common.json, "Print JSON");
  list->callback([&] { command = [&] { return sluice::commands::slick_list(common); }; });
  static std::string name;
  auto* info = slick->add_subcommand("info", "Print what is in a segment's header and slots, and who has it mapped");
  info->add_option("NAME", name, "Segment, with or without the slash")->required();
  info->add_flag("--json", common.json, "Print JSON");
  info->callback([&] { command = [&] { return sluice::commands::slick_info(common, name); }; });
  add_slick_read(*slick, common, command);
  add_slick_write(*slick, common, command);
  static sluice::commands::SlickCleanOptions options;
  auto* clean = slick->add_subcommand("clean", "Remove segments that no process has mapped");
  clean->add_option("NAME", options.names, "Segments");
  clean->add_flag("--all", options.all, "All SlickQueue segments of this host that nobody has mapped");
  clean->add_flag("--force", options.force, "Also if there are processes that you may not look into");
  clean->add_flag("--dry-run", options.dry_run, "Only say what would be removed");
  clean->add_flag("--json", common.json, "Print JSON");
  clean->callback([&] { command = [&] { return sluice::commands::slick_clean(common, options); }; });
}

void add_launch(CLI::App& app, Command& command) {
  static sluice::launch::Options options;
  auto* launch = app.add_subcommand("launch", "Start the processes of a launch file and watch over them");
  launch->add_option("FILE", options.file, "Launch file")->required();
  launch->add_option("ASSIGNMENT", options.assignments, "Values for the file's arguments, NAME:=VALUE");
  launch->add_flag("--check", options.check, "Only check the file");
  launch->add_flag("-p,--print", options.print, "Only print what would be started");
  launch->add_flag("-s,--show-args", options.show_args, "Only print the file's arguments");
  launch->callback([&] { command = [] { return sluice::launch::run(options); }; });
}

constexpr int kUsage = 2;

/// The words of the command line that name no subcommand, with the nearest one that exists; empty when all do.
/// CLI11 alone would say "a subcommand is required" to `sluice topic lst`.
std::string unknown_command(const CLI::App& app, int argc, char** argv) {
  const CLI::App* current = &app;
  std::string words = "sluice";
  for (int i = 1; i < argc && argv[i][0] != '-'; ++i) {
    const auto subcommands = current->get_subcommands([](const CLI::App*) { return true; });
    if (subcommands.empty()) return {};
    std::vector<std::string> names;
    for (const CLI::App* subcommand : subcommands) names.push_back(subcommand->get_name());
    const auto found = std::find(names.begin(), names.end(), argv[i]);
    if (found == names.end()) {
      return "there is no command '" + words + " " + argv[i] + "'" + sluice::did_you_mean(argv[i], names);
    }
    current = subcommands[static_cast<std::size_t>(found - names.begin())];
    words += " " + current->get_name();
  }
  return {};
}

int fail(const std::string& message) {
  std::fprintf(stderr, "sluice: %s\n", message.c_str());
  return kUsage;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Sluice: publish/subscribe over shared memory for the processes of one host"};
  app.set_version_flag("--version", "sluice " SLUICE_VERSION);
  bool parse_only = false;
  app.add_flag("--parse-only", parse_only, "Only check the arguments")->group("");  // hidden: for tests of the examples
  app.require_subcommand(1);
  Common common;
  Command command;
  add_launch(app, command);
  add_topic(app, common, command);
  add_node(app, common, command);
  sluice::commands::add_param(app, common, command);
  sluice::commands::add_top(app, common, command);
  add_config(app, common, command);
  add_plugin(app, common, command);
  add_shm(app, common, command);
  add_doctor(app, common, command);
  add_slick(app, common, command);
  sluice::commands::add_eshm(app, common, command);
  sluice::commands::add_completion(app, command);
  sluice::commands::add_examples(app);
  if (const std::string unknown = unknown_command(app, argc, argv); !unknown.empty()) return fail(unknown);
  try {
    app.parse(argc, argv);
    return parse_only ? 0 : command();
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  } catch (const std::exception& error) {
    return fail(error.what());
  }
}
