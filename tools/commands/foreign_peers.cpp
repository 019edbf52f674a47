#include "commands/foreign_peers.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <utility>

#include <nlohmann/json.hpp>

#include <sluice/error.hpp>
#include <sluice/eshm/inspect.hpp>
#include <sluice/shm/deadline.hpp>
#include <sluice/shm/sleep.hpp>
#include <sluice/slick/inspect.hpp>

namespace sluice::commands {

namespace {

constexpr std::chrono::milliseconds kBetweenLooks{200};

std::string program_of(std::int64_t pid) {
  std::string name;
  std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/comm"), name);
  return name;
}

/// Times a count of `look` by looking twice.
template <typename Look>
std::map<std::string, double> rates_of(const std::map<std::string, std::uint64_t>& before, const Look& look) {
  const std::int64_t begun = shm::monotonic_ns();
  shm::sleep_for(kBetweenLooks);
  const std::map<std::string, std::uint64_t> after = look();
  const double seconds = static_cast<double>(shm::monotonic_ns() - begun) / 1e9;
  std::map<std::string, double> rates;
  for (const auto& [direction, count] : after) {
    // Signed: a peer that starts anew may begin to count again.
    rates[direction] =
        std::max(0.0, static_cast<double>(static_cast<std::int64_t>(count - before.at(direction))) / seconds);
  }
  return rates;
}

ForeignUse use_of_ring(const std::string& path, const std::set<std::int64_t>& known) {
  const std::string name = path.substr(path.rfind('/'));
  const auto look = [&] {
    const slick::SegmentInfo info = slick::inspect_segment(name);
    if (!info.problem.empty()) throw Error(info.problem);
    return std::map<std::string, std::uint64_t>{{"elements", info.reserved}};
  };
  ForeignUse use;
  use.rates = rates_of(look(), look);
  const slick::Mappers mappers = slick::who_maps(path);
  use.complete = mappers.complete;
  for (const auto& process : mappers.processes) {
    if (!known.contains(process.pid)) use.peers.push_back({process.pid, process.executable, "", "alive"});
  }
  return use;
}

ForeignUse use_of_channel(const std::string& path, const std::set<std::int64_t>& known) {
  const std::string name = path.substr(eshm::segment_path("x").size() - 1);
  eshm::ChannelInfo info;
  const auto look = [&] {
    info = eshm::inspect_channel(name);
    if (!info.problem.empty()) throw Error(info.problem);
    return std::map<std::string, std::uint64_t>{{"master_to_slave", info.master_to_slave.write_count},
                                                {"slave_to_master", info.slave_to_master.write_count}};
  };
  ForeignUse use;
  use.rates = rates_of(look(), look);
  for (const auto& [role, side] : {std::pair{"master", &info.master}, std::pair{"slave", &info.slave}}) {
    const bool never = side->state == eshm::RemoteState::unknown && side->pid == 0;
    if (never || known.contains(side->pid)) continue;
    use.peers.push_back({side->pid, program_of(side->pid), role, eshm::name_of(side->state)});
  }
  return use;
}

}  // namespace

std::optional<ForeignUse> find_foreign_use(const std::string& transport, const std::string& path,
                                           const std::set<std::int64_t>& known) try {
  if (transport == "slick") return use_of_ring(path, known);
  if (transport == "eshm") return use_of_channel(path, known);
  return std::nullopt;
} catch (const Error& error) {
  std::fprintf(stderr, "warning: %s\n", error.what());
  return std::nullopt;
}

void print(const ForeignUse& use) {
  std::printf("Foreign peers:%s\n", use.peers.empty() ? " none" : "");
  for (const ForeignPeer& peer : use.peers) {
    const std::string program = peer.program.empty() ? "" : " (" + peer.program + ")";
    if (peer.role.empty()) {
      std::printf("  process %lld%s: has the segment mapped; a ring does not tell who publishes\n",
                  static_cast<long long>(peer.pid), program.c_str());
    } else {
      std::printf("  %s, process %lld%s: %s\n", peer.role.c_str(), static_cast<long long>(peer.pid), program.c_str(),
                  peer.state.c_str());
    }
  }
  if (!use.complete) std::printf("  perhaps others: some processes may not be looked into\n");
  std::printf("Written:");
  const char* separator = " ";
  for (const auto& [direction, rate] : use.rates) {
    std::printf("%s%s %.1f/s", separator, direction.c_str(), rate);
    separator = ", ";
  }
  std::printf("\n");
}

nlohmann::json json_of(const ForeignUse& use) {
  nlohmann::json json{{"peers", nlohmann::json::array()}, {"complete", use.complete}, {"rates", use.rates}};
  for (const ForeignPeer& peer : use.peers) {
    json["peers"].push_back({{"pid", peer.pid}, {"program", peer.program}, {"role", peer.role}, {"state", peer.state}});
  }
  return json;
}

}  // namespace sluice::commands
