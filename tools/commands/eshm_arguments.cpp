#include "commands/eshm_arguments.hpp"

#include <memory>

#include "commands/eshm_commands.hpp"

namespace sluice::commands {

namespace {

using Command = std::function<int()>;

void add_end(CLI::App& app, EshmEnd& end) {
  const bool waits = end.role == eshm::Role::slave;
  app.add_option("NAME", end.name, "Channel: /dev/shm/eshm_NAME")->required();
  app.add_option("--max-size", end.max_size, "Largest message; both sides need the same (default: 4KiB)");
  app.add_option("--stale-after", end.stale_after,
                 "A heartbeat that stood still for so long is stale (default: 100ms)");
  if (end.role != eshm::Role::master) {
    app.add_option("--reconnects", end.reconnects,
                   "A slave gives up after so many attempts, one each 100 ms; 0: never (default: 50)");
  }
  if (waits) return;
  app.add_option("--protocol", end.protocol, "Of a new segment: 3 (default) or 2; programs of both accept 3")
      ->check(CLI::IsMember({2, 3}));
  app.add_option("--mode", end.mode, "Rights of a new segment, octal, whatever the umask (default: 0600)");
  app.add_option("--group", end.group, "Group of a new segment");
}

void add_talk(CLI::App& talk, eshm::Role role, Command& command) {
  auto options = std::make_shared<EshmTalkOptions>();
  options->end.role = role;
  add_end(talk, options->end);
  talk.add_option("-r,--rate", options->rate,
                  "Greetings a second; 0: none (default: a master 1000; a slave acknowledges what it receives)")
      ->check(CLI::Range(0.0, 1e6));
  talk.add_option("--size", options->size, "Pad messages with NULs to so many bytes");
  talk.add_option("-n,--count", options->count, "Stop when so many are sent (default: at Ctrl-C)");
  talk.add_option("--duration", options->duration, "Stop after this time, such as 10s");
  talk.add_option("--stats-every", options->stats_every, "Messages between two statistics; 0: none (default: 1000)");
  talk.add_option("--show", options->show, "Print so many messages a second and direction (default: 10)");
  talk.callback([options, &command] { command = [options] { return eshm_talk(*options); }; });
}

void add_bench(CLI::App& eshm, Common& common, Command& command) {
  auto* bench = eshm.add_subcommand("bench", "Measure round trips between two processes")->require_subcommand(1);

  auto echoing = std::make_shared<EshmBenchOptions>();
  echoing->end.role = eshm::Role::slave;
  auto* echo = bench->add_subcommand("echo", "A slave that writes back what it reads");
  add_end(*echo, echoing->end);
  echo->add_option("-n,--count", echoing->count, "Stop after so many (default: at Ctrl-C)");
  echo->add_flag("--spin", echoing->spin, "Look all the time and never sleep: takes a core");
  echo->callback([echoing, &command] { command = [echoing] { return eshm_bench_echo(*echoing); }; });

  auto driving = std::make_shared<EshmBenchOptions>();
  driving->end.role = eshm::Role::master;
  driving->count = 100000;
  auto* drive = bench->add_subcommand("drive",
                                      "A master that sends, awaits each echo and compares it; exit code 1 if "
                                      "one is wrong or does not come");
  add_end(*drive, driving->end);
  drive->add_option("--size", driving->size, "Bytes of a message (default: 64)");
  drive->add_option("-n,--count", driving->count, "Round trips (default: 100000)")->check(CLI::Range(1U, 100000000U));
  drive->add_option("--patience", driving->patience, "Give up when no echo comes for so long (default: 10s)");
  drive->add_flag("--spin", driving->spin, "Look all the time and never sleep: takes a core");
  drive->add_flag("--json", common.json, "Print JSON");
  drive->callback(
      [driving, &common, &command] { command = [driving, &common] { return eshm_bench_drive(common, *driving); }; });
}

void add_looking(CLI::App& eshm, Common& common, Command& command) {
  auto* list = eshm.add_subcommand("list", "Print every ESHM channel of this host and who is there");
  list->add_flag("--json", common.json, "Print JSON");
  list->callback([&] { command = [&] { return eshm_list(common); }; });

  auto name = std::make_shared<std::string>();
  auto* info = eshm.add_subcommand("info", "Print all there is to know about one channel");
  info->add_option("NAME", *name, "Channel: /dev/shm/eshm_NAME")->required();
  info->add_flag("--json", common.json, "Print JSON");
  info->callback([&, name] { command = [&, name] { return eshm_info(common, *name); }; });

  auto options = std::make_shared<EshmCleanOptions>();
  auto* clean = eshm.add_subcommand("clean", "Remove channels that are dead; the living are not disturbed");
  clean->add_option("NAME", options->names, "Only these (default: all); exit code 1 if one of them stays");
  clean->add_flag("--dry-run", options->dry_run, "Only say what would be removed");
  clean->add_flag("--json", common.json, "Print JSON");
  clean->callback([&, options] { command = [&, options] { return eshm_clean(common, *options); }; });
}

}  // namespace

void add_eshm(CLI::App& app, Common& common, Command& command) {
  auto* eshm = app.add_subcommand("eshm", "ESHM channels of any program")->require_subcommand(1);
  add_talk(*eshm->add_subcommand("master", "Make a channel, or take a dead master's over, and send greetings"),
           eshm::Role::master, command);
  add_talk(*eshm->add_subcommand("slave", "Wait for a master, print what it sends and acknowledge it"),
           eshm::Role::slave, command);
  add_talk(*eshm->add_subcommand("auto", "Slave of a living master, master otherwise"), eshm::Role::automatic, command);
  add_bench(*eshm, common, command);
  add_looking(*eshm, common, command);
}

}  // namespace sluice::commands
