#include "commands/top_foreign.hpp"

#include <algorithm>

namespace sluice::commands {

namespace {

const ForeignLook* look_of(const TopLook& look, const std::string& topic) {
  for (const auto& foreign : look.foreign) {
    if (foreign.file.topic == topic) return &foreign.look;
  }
  return nullptr;
}

TopTopic& row_of(TopFrame& frame, const std::string& name) {
  const auto found =
      std::find_if(frame.topics.begin(), frame.topics.end(), [&](const TopTopic& topic) { return topic.name == name; });
  if (found != frame.topics.end()) return *found;
  frame.topics.emplace_back().name = name;
  return frame.topics.back();
}

/// The file counts everybody's messages, also those of the domain's own publishers.
void add_traffic(TopTopic& topic, const TopLook::Foreign& now, const ForeignLook& before, double seconds) {
  const auto rates = rates_between(before, now.look, seconds);
  const auto rate = rates.find(now.file.direction);
  if (rate == rates.end() || rate->second <= topic.rate) return;
  topic.rate = rate->second;
  topic.bandwidth = rate->second * static_cast<double>(now.look.written.at(rate->first).bytes);
}

/// A ring's peers have it mapped, so they are there; a channel's have a heartbeat, if they say that they are there.
Liveliness liveliness_of(const ForeignPeer& peer, const ForeignLook* before) {
  if (peer.role.empty()) return Liveliness::alive;
  if (peer.state == "dead") return Liveliness::lost;
  if (before == nullptr) return Liveliness::alive;
  const bool stands = std::any_of(before->peers.begin(), before->peers.end(), [&](const ForeignPeer& was) {
    return was.pid == peer.pid && was.role == peer.role && was.heartbeat == peer.heartbeat;
  });
  return stands ? Liveliness::late : Liveliness::alive;
}

TopProcess process_of(const ForeignPeer& peer, const TopLook& before, const TopLook& now, double seconds) {
  TopProcess process;
  process.pid = peer.pid;
  process.name = peer.program;
  process.foreign = true;
  const auto is = now.foreign_usage.find(peer.pid);
  if (is == now.foreign_usage.end()) return process;
  process.memory = is->second.memory;
  const auto was = before.foreign_usage.find(peer.pid);
  if (was == before.foreign_usage.end() || seconds <= 0) return process;
  process.cpu = static_cast<double>(is->second.cpu_ns - was->second.cpu_ns) / (seconds * 1e9) * 100;
  return process;
}

}  // namespace

void add_foreign(TopFrame& frame, const TopLook& before, const TopLook& now) {
  std::map<std::int64_t, TopProcess> processes;
  for (const TopLook::Foreign& foreign : now.foreign) {
    const ForeignLook* was = look_of(before, foreign.file.topic);
    if (was != nullptr) add_traffic(row_of(frame, foreign.file.topic), foreign, *was, frame.seconds);
    for (const ForeignPeer& peer : foreign.look.peers) {
      const auto process = processes.try_emplace(peer.pid, process_of(peer, before, now, frame.seconds)).first;
      process->second.nodes.push_back(foreign.file.topic);
      process->second.liveliness = std::max(process->second.liveliness, liveliness_of(peer, was));
    }
  }
  for (auto& [pid, process] : processes) frame.processes.push_back(std::move(process));
}

}  // namespace sluice::commands
