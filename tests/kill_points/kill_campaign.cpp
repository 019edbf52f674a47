#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

#include "kill_points/campaign.hpp"
#include "kill_points/source_points.hpp"

namespace {

constexpr const char* kUsage =
    "kill_campaign WORLD [--seed N] [--rounds N] [--only PREFIX] [--scenario TEXT]\n"
    "    WORLD: reliable, best_effort, raw, raw_reliable, control, eshm\n"
    "kill_campaign --list    the points in the sources\n";

sluice::kill_points::Options parse(int argc, char** argv) {
  sluice::kill_points::Options options;
  options.world = argv[1];
  for (int i = 2; i < argc; i += 2) {
    const std::string key = argv[i];
    if (i + 1 == argc) throw std::invalid_argument(key + " needs a value");
    const std::string value = argv[i + 1];
    if (key == "--seed") {
      options.seed = std::stoull(value);
    } else if (key == "--rounds") {
      options.rounds = static_cast<std::uint32_t>(std::stoul(value));
    } else if (key == "--only") {
      options.only = value;
    } else if (key == "--scenario") {
      options.scenario = value;
    } else {
      throw std::invalid_argument("unknown: " + key);
    }
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 2) throw std::invalid_argument("which world?");
    if (std::string(argv[1]) == "--list") {
      for (const std::string& point : sluice::kill_points::source_points()) std::printf("%s\n", point.c_str());
      return 0;
    }
    return sluice::kill_points::Campaign(parse(argc, argv)).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kill_campaign: %s\n%s", error.what(), kUsage);
    return 2;
  }
}
