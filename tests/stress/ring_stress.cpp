#include <cctype>
#include <exception>
#include <functional>
#include <map>

#include "stress/stress_support.hpp"

namespace {

using sluice::stress::Options;

std::string environment_name(const std::string& key) {
  std::string name = "SLUICE_STRESS_";
  for (const char c : key) name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

Options parse(int argc, char** argv) {
  Options options;
  const std::map<std::string, std::function<void(const std::string&)>> settings{
      {"reliability", [&](const std::string& v) { options.reliable = v == "reliable"; }},
      {"writers", [&](const std::string& v) { options.writers = static_cast<std::uint32_t>(std::stoul(v)); }},
      {"readers", [&](const std::string& v) { options.readers = static_cast<std::uint32_t>(std::stoul(v)); }},
      {"messages", [&](const std::string& v) { options.messages = std::stoull(v); }},
      {"actions", [&](const std::string& v) { options.actions = static_cast<std::uint32_t>(std::stoul(v)); }},
      {"depth", [&](const std::string& v) { options.depth = static_cast<std::uint32_t>(std::stoul(v)); }},
      {"max-size", [&](const std::string& v) { options.max_size = static_cast<std::uint32_t>(std::stoul(v)); }},
      {"seed", [&](const std::string& v) { options.seed = std::stoull(v); }},
      {"watchdog", [&](const std::string& v) { options.watchdog = static_cast<std::uint32_t>(std::stoul(v)); }},
  };
  for (const auto& [key, apply] : settings) {
    if (const char* value = std::getenv(environment_name(key).c_str())) apply(value);
  }
  int i = 1;
  if (i < argc && argv[i][0] != '-') options.mode = argv[i++];
  for (; i < argc; i += 2) {
    const std::string key = std::string(argv[i]).substr(0, 2) == "--" ? argv[i] + 2 : argv[i];
    const auto setting = settings.find(key);
    if (setting == settings.end() || i + 1 == argc) throw std::invalid_argument("unknown or incomplete: --" + key);
    setting->second(argv[i + 1]);
  }
  if (options.max_size < sizeof(sluice::stress::Head)) throw std::invalid_argument("--max-size is at least 24");
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = parse(argc, argv);
    if (options.mode == "run") return sluice::stress::run(options);
    if (options.mode == "crash") return sluice::stress::crash(options);
    throw std::invalid_argument("mode '" + options.mode + "' is neither run nor crash");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ring_stress: %s\n", error.what());
    return 2;
  }
}
