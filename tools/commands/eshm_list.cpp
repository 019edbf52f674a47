#include <algorithm>
#include <cstdio>
#include <iostream>
#include <vector>

#include <nlohmann/json.hpp>

#include <sluice/eshm/inspect.hpp>
#include <sluice/shm/access.hpp>

#include "commands/eshm_commands.hpp"
#include "commands/eshm_end.hpp"

namespace sluice::commands {

namespace {

using eshm::ChannelInfo;
using eshm::DirectionInfo;
using eshm::RemoteState;
using eshm::SideInfo;

std::string name_of(const ChannelInfo& info) { return info.path.substr(eshm::segment_path("x").size() - 1); }

/// Unknown with a pid: a machine too busy for the look to be conclusive.
const char* state_of(const SideInfo& side) {
  return side.state == RemoteState::unknown && side.pid == 0 ? "never" : eshm::name_of(side.state);
}

/// Only of the living it can be told.
const char* origin_of(const SideInfo& side) {
  if (side.ours) return "ours";
  return side.state == RemoteState::alive ? "foreign" : "";
}

std::string text_of(const SideInfo& side) {
  std::string text = state_of(side);
  if (side.pid != 0) text += " " + std::to_string(side.pid);
  const std::string origin = origin_of(side);
  return origin.empty() ? text : text + " (" + origin + ")";
}

std::string text_of(const DirectionInfo& direction) {
  return std::to_string(direction.write_count) + " / " + std::to_string(direction.read_count) +
         (direction.sequence % 2 != 0 ? " odd" : "");
}

nlohmann::json json_of(const SideInfo& side) {
  nlohmann::json json{{"state", state_of(side)},
                      {"pid", side.pid},
                      {"heartbeat", side.heartbeat},
                      {"silence_ms", static_cast<double>(side.silence.count()) / 1e6},
                      {"origin", nullptr}};
  if (const std::string origin = origin_of(side); !origin.empty()) json["origin"] = origin;
  return json;
}

nlohmann::json json_of(const DirectionInfo& direction) {
  return {{"sequence", direction.sequence},
          {"odd", direction.sequence % 2 != 0},
          {"data_size", direction.data_size},
          {"writes", direction.write_count},
          {"reads", direction.read_count}};
}

nlohmann::json json_of(const ChannelInfo& info) {
  nlohmann::json json{{"name", name_of(info)},
                      {"path", info.path},
                      {"bytes", info.file_size},
                      {"mode", shm::mode_text(info.mode)},
                      {"uid", info.uid}};
  if (!info.problem.empty()) {
    json["problem"] = info.problem;
    return json;
  }
  json.update({{"protocol", info.version},
               {"max_size", {{"least", info.max_sizes.least}, {"most", info.max_sizes.most}}},
               {"stale_threshold_ms", info.stale_threshold},
               {"generation", info.generation},
               {"master", json_of(info.master)},
               {"slave", json_of(info.slave)},
               {"master_to_slave", json_of(info.master_to_slave)},
               {"slave_to_master", json_of(info.slave_to_master)}});
  return json;
}

using Row = std::vector<std::string>;

Row row_of(const ChannelInfo& info) {
  if (!info.problem.empty())
    return {name_of(info), std::to_string(info.file_size), shm::mode_text(info.mode), info.problem};
  return {name_of(info),
          std::to_string(info.file_size),
          shm::mode_text(info.mode),
          std::to_string(info.version),
          info.max_sizes.text(),
          std::to_string(info.generation),
          text_of(info.master),
          text_of(info.slave),
          text_of(info.master_to_slave),
          text_of(info.slave_to_master)};
}

/// A row that ends early (a problem) says in its last cell whatever it likes.
void print_table(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const Row& row : rows) {
    for (std::size_t k = 0; k < row.size() && (k + 1 < row.size() || row.size() == widths.size()); ++k) {
      widths[k] = std::max(widths[k], row[k].size());
    }
  }
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t k = 0; k < row.size(); ++k) {
      line += row[k];
      if (k + 1 < row.size()) line.append(widths[k] - row[k].size() + 2, ' ');
    }
    std::puts(line.c_str());
  }
}

void print_side(const char* label, const SideInfo& side) {
  std::printf("%-17s%s, heartbeat %llu ms", label, text_of(side).c_str(),
              static_cast<unsigned long long>(side.heartbeat));
  if (side.state == RemoteState::stale) {
    std::printf(", which stood still for the %.0f ms of this look", static_cast<double>(side.silence.count()) / 1e6);
  }
  std::printf("\n");
}

void print_direction(const char* label, const DirectionInfo& direction) {
  std::printf("%-17s%llu written, %llu read, latest %u bytes, sequence %u%s\n", label,
              static_cast<unsigned long long>(direction.write_count),
              static_cast<unsigned long long>(direction.read_count), direction.data_size, direction.sequence,
              direction.sequence % 2 != 0 ? " (odd: inside a write, or its writer died there)" : "");
}

}  // namespace

int eshm_list(const Common& common) {
  const auto channels = eshm::list_channels();
  if (common.json) {
    auto json = nlohmann::json::array();
    for (const auto& info : channels) json.push_back(json_of(info));
    std::cout << json.dump(2) << "\n";
    return 0;
  }
  if (channels.empty()) return 0;
  std::vector<Row> rows{{"NAME", "BYTES", "MODE", "PROTOCOL", "MAX_SIZE", "GENERATION", "MASTER", "SLAVE",
                         "MASTER->SLAVE", "SLAVE->MASTER (WRITES / READS)"}};
  for (const auto& info : channels) rows.push_back(row_of(info));
  print_table(rows);
  return 0;
}

int eshm_info(const Common& common, const std::string& name) {
  const ChannelInfo info = eshm::inspect_channel(name);
  if (common.json) {
    std::cout << json_of(info).dump(2) << "\n";
    return info.problem.empty() ? 0 : 1;
  }
  std::printf("name:            %s\npath:            %s\nbytes:           %llu\nmode:            %s, owner uid %u\n",
              name_of(info).c_str(), info.path.c_str(), static_cast<unsigned long long>(info.file_size),
              shm::mode_text(info.mode).c_str(), info.uid);
  if (!info.problem.empty()) {
    std::printf("problem:         %s\n", info.problem.c_str());
    return 1;
  }
  std::printf("protocol:        %u\nmax_size:        %s\nstale after:     %u ms\ngeneration:      %u\n", info.version,
              info.max_sizes.text().c_str(), info.stale_threshold, info.generation);
  print_side("master:", info.master);
  print_side("slave:", info.slave);
  print_direction("master to slave:", info.master_to_slave);
  print_direction("slave to master:", info.slave_to_master);
  return 0;
}

}  // namespace sluice::commands
