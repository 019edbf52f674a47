#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <map>

#include <sluice/units.hpp>

#include "conformance/peer.hpp"
#include "conformance/runner.hpp"

// sluice-conformance: whether a transport keeps what its traits promise.
namespace sluice::conformance {

namespace {

constexpr const char* kUsage =
    "sluice-conformance --transport NAME [options]: which promises of the plugin interface a transport keeps\n"
    "\n"
    "  --transport NAME         the transport to check\n"
    "  --plugin-path DIR        search plugins there first; may be repeated\n"
    "  --option KEY=VALUE       an option of the topic, as in YAML; may be repeated. {unique} in it becomes another\n"
    "                           word for every promise. evict_after is used by the promises about eviction only\n"
    "  --wrong KEY=VALUE        an option that the transport has to refuse; may be repeated\n"
    "  --reliability WORD       best_effort or reliable only; otherwise all that the transport offers\n"
    "  --max-size SIZE          of the topic; default 4KiB\n"
    "  --depth NUMBER           of the topic; default 16\n"
    "  --granularity SIZE       messages are whole multiples of this; default 1B\n"
    "  --remove FILE            a file that the transport keeps on purpose, to remove after every promise\n"
    "  --only NAME              check this promise; may be repeated\n"
    "  --patience SECONDS       after which a promise counts as hung; default 60\n"
    "  --list                   print the promises, and do not check them\n"
    "\n"
    "Exit code: 0 all promises hold, 1 one is broken, 2 the transport cannot be used or the arguments are wrong.\n";

class UsageError : public Error {
 public:
  using Error::Error;
};

std::pair<std::string, std::string> key_and_value(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos) throw UsageError("'" + text + "' is not KEY=VALUE");
  return {text.substr(0, equals), text.substr(equals + 1)};
}

Reliability parse_reliability(const std::string& text) {
  if (text == "reliable") return Reliability::reliable;
  if (text == "best_effort") return Reliability::best_effort;
  throw UsageError("'" + text + "' is neither best_effort nor reliable");
}

std::uint32_t parse_number(const std::string& text) {
  char* end = nullptr;
  const unsigned long value = std::strtoul(text.c_str(), &end, 10);
  if (end == text.c_str() || *end != '\0' || value == 0 || value > 1'000'000) {
    throw UsageError("'" + text + "' is not a whole number from 1 to 1000000");
  }
  return static_cast<std::uint32_t>(value);
}

Settings parse(int argc, char** argv) {
  Settings settings;
  settings.command_line.assign(argv, argv + argc);
  int at = 1;
  const auto next = [&](const std::string& option) -> std::string {
    if (at == argc) throw UsageError(option + " needs a value");
    return argv[at++];
  };
  using Text = const std::string&;
  const std::map<std::string, std::function<void(Text)>> options{
      {"--transport", [&](Text o) { settings.transport = next(o); }},
      {"--plugin-path", [&](Text o) { settings.plugin_path.push_back(next(o)); }},
      {"--option", [&](Text o) { settings.options.push_back(key_and_value(next(o))); }},
      {"--wrong", [&](Text o) { settings.wrong_options.push_back(key_and_value(next(o))); }},
      {"--reliability", [&](Text o) { settings.reliabilities = {parse_reliability(next(o))}; }},
      {"--max-size", [&](Text o) { settings.max_size = parse_size(next(o)); }},
      {"--depth", [&](Text o) { settings.depth = parse_number(next(o)); }},
      {"--granularity", [&](Text o) { settings.granularity = parse_size(next(o)); }},
      {"--remove", [&](Text o) { settings.remove.push_back(next(o)); }},
      {"--only", [&](Text o) { settings.only.push_back(next(o)); }},
      {"--patience", [&](Text o) { settings.patience = parse_number(next(o)); }},
      {"--list", [&](Text) { settings.list = true; }},
      {"--here",
       [&](Text o) {
         settings.here = next(o);
         settings.reliabilities = {parse_reliability(next(o))};
         settings.directory = next(o);
       }},
      {"--peer", [&](Text o) { settings.peer_tag = parse_number(next(o)); }},
  };
  while (at < argc) {
    const std::string option = argv[at++];
    const auto found = options.find(option);
    if (found == options.end()) throw UsageError("there is no option '" + option + "'");
    found->second(option);
  }
  return settings;
}

void check(const Settings& settings, const Suite& suite) {
  if (settings.transport.empty()) throw UsageError("which --transport?");
  if (settings.granularity == 0) throw UsageError("--granularity must be above 0");
  if (settings.max_size < 2 * settings.granularity || settings.max_size < 256) {
    throw UsageError("--max-size must be at least 256 and twice the granularity");
  }
  if (settings.granularity != 1 && settings.granularity < sizeof(Stamp)) {
    throw UsageError("--granularity must be 1 or at least " + std::to_string(sizeof(Stamp)));
  }
  if (settings.depth < 4) throw UsageError("--depth must be at least 4");
  std::vector<std::string> names = settings.only;
  if (!settings.here.empty()) names.push_back(settings.here);
  for (const std::string& name : names) {
    if (suite.find(name) == nullptr) throw UsageError("there is no promise '" + name + "'; --list shows them");
  }
}

int run(int argc, char** argv) {
  Settings settings = parse(argc, argv);
  const Suite suite;
  check(settings, suite);
  if (settings.here.empty()) return settings.list ? list_suite(suite, settings) : run_suite(suite, settings);
  settings.evicting = needs(*suite.find(settings.here), Need::evict_after_given);
  return settings.peer_tag == 0 ? run_here(suite, settings) : be_peer(settings, kPeerChannel);
}

}  // namespace

int exec_again(const Settings& settings, const std::vector<std::string>& more) {
  std::vector<std::string> words = settings.command_line;
  words.insert(words.end(), more.begin(), more.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::execv("/proc/self/exe", arguments.data());
  return kUnusable;
}

}  // namespace sluice::conformance

int main(int argc, char** argv) {
  using namespace sluice::conformance;
  try {
    for (int i = 1; i < argc; ++i) {
      if (std::string(argv[i]) == "--help" || std::string(argv[i]) == "-h") {
        std::fputs(kUsage, stdout);
        return 0;
      }
    }
    return run(argc, argv);
  } catch (const UsageError& error) {
    std::fprintf(stderr, "sluice-conformance: %s\n\n%s", error.what(), kUsage);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sluice-conformance: %s\n", error.what());
  }
  return kUnusable;
}
