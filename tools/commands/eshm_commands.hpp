#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sluice/eshm/channel.hpp>

#include "commands/commands.hpp"

/// `sluice eshm`: ESHM channels of any program.
namespace sluice::commands {

/// A channel, and how to be one of its ends. Texts as the command line has them; empty: the default.
struct EshmEnd {
  std::string name;
  eshm::Role role = eshm::Role::automatic;
  std::string max_size;           ///< Of both sides: "4096", "8KiB".
  std::uint32_t protocol = 3;     ///< Of a segment that is created.
  std::string mode;               ///< Of a segment that is created, octal: "0666", whatever the umask.
  std::string group;              ///< Of a segment that is created.
  std::string stale_after;        ///< "100ms"
  std::uint32_t reconnects = 50;  ///< A slave's attempts, one each 100 ms; 0: unlimited.
};

struct EshmTalkOptions {
  EshmEnd end;
  double rate = -1;                  ///< Greetings a second; below 0: a master 1000, a slave answers what it receives.
  std::uint64_t size = 0;            ///< Greetings are padded with NULs to so many bytes.
  std::uint64_t count = 0;           ///< Messages to send; 0: until interrupted.
  std::uint64_t stats_every = 1000;  ///< Messages between two lines of statistics; 0: none.
  std::uint64_t show = 10;           ///< Messages a second that are printed, in each direction.
  std::string duration;              ///< Empty: until interrupted.
};

/// The demo of ESHM: sends greetings and prints what comes.
int eshm_talk(const EshmTalkOptions& options);

struct EshmBenchOptions {
  EshmEnd end;
  std::string size = "64";  ///< Bytes of a message.
  std::uint64_t count = 0;  ///< Round trips; echo: messages, 0: until interrupted.
  bool spin = false;        ///< Look for messages all the time, without ever sleeping.
  std::string patience;     ///< Drive gives up when there is no echo for so long.
};
int eshm_bench_echo(const EshmBenchOptions& options);
int eshm_bench_drive(const Common& common, const EshmBenchOptions& options);

int eshm_list(const Common& common);
int eshm_info(const Common& common, const std::string& name);

struct EshmCleanOptions {
  std::vector<std::string> names;  ///< None: every channel.
  bool dry_run = false;
};
int eshm_clean(const Common& common, const EshmCleanOptions& options);

}  // namespace sluice::commands
