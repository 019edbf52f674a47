#include "commands/slick_commands.hpp"

#include <unistd.h>

#include <cstdio>
#include <iostream>

#include <nlohmann/json.hpp>

#include <sluice/error.hpp>
#include <sluice/slick/inspect.hpp>
#include <sluice/slick/segment.hpp>

namespace sluice::commands {

namespace {

std::string name_of(const slick::SegmentInfo& info) { return info.path.substr(info.path.rfind('/')); }

std::string text_of(const slick::Mappers& mappers) {
  std::string text;
  for (const auto& process : mappers.processes) {
    text += (text.empty() ? "" : ", ") + process.executable + " (" + std::to_string(process.pid) + ")";
  }
  if (text.empty()) text = "nobody";
  return mappers.complete ? text : text + ", perhaps others whom you may not look into";
}

nlohmann::json json_of(const slick::SegmentInfo& info) {
  auto mapped_by = nlohmann::json::array();
  const slick::Mappers mappers = slick::who_maps(info.path);
  for (const auto& process : mappers.processes) {
    mapped_by.push_back({{"pid", process.pid}, {"executable", process.executable}});
  }
  nlohmann::json json{{"name", name_of(info)},
                      {"path", info.path},
                      {"bytes", info.file_size},
                      {"mode", info.mode},
                      {"uid", info.uid},
                      {"capacity", info.capacity},
                      {"element", info.element_size},
                      {"state", static_cast<std::uint32_t>(info.state)},
                      {"written_by", info.written_by()},
                      {"reserved", info.reserved},
                      {"reserved_size", info.reserved_size},
                      {"last_published", nullptr},
                      {"newest", nullptr},
                      {"messages", info.messages},
                      {"holes", info.holes},
                      {"mapped_by", mapped_by},
                      {"mapped_by_complete", mappers.complete}};
  if (info.last_published) json["last_published"] = *info.last_published;
  if (info.newest) json["newest"] = *info.newest;
  if (!info.problem.empty()) json["problem"] = info.problem;
  return json;
}

std::string or_none(const std::optional<std::uint64_t>& index) { return index ? std::to_string(*index) : "none"; }

}  // namespace

int slick_list(const Common& common) {
  const auto segments = slick::list_segments();
  if (common.json) {
    auto json = nlohmann::json::array();
    for (const auto& info : segments) json.push_back(json_of(info));
    std::cout << json.dump(2) << "\n";
    return 0;
  }
  if (segments.empty()) return 0;
  std::printf("%-24s %10s %10s %12s %8s  %-17s  %s\n", "NAME", "CAPACITY", "ELEMENT", "RESERVED", "HOLES", "WRITTEN AS",
              "MAPPED BY");
  for (const auto& info : segments) {
    std::printf("%-24s %10u %10u %12llu %8llu  %-17s  %s\n", name_of(info).c_str(), info.capacity, info.element_size,
                static_cast<unsigned long long>(info.reserved), static_cast<unsigned long long>(info.holes),
                info.written_by().c_str(), text_of(slick::who_maps(info.path)).c_str());
  }
  return 0;
}

int slick_info(const Common& common, const std::string& name) {
  const slick::SegmentInfo info = slick::inspect_segment(name);
  if (common.json) {
    std::cout << json_of(info).dump(2) << "\n";
    return info.problem.empty() ? 0 : 1;
  }
  std::printf("name:           %s\npath:           %s\nbytes:          %llu\nmode:           %04o, owner uid %u\n",
              name_of(info).c_str(), info.path.c_str(), static_cast<unsigned long long>(info.file_size), info.mode,
              info.uid);
  if (!info.problem.empty()) {
    std::printf("problem:        %s\n", info.problem.c_str());
    return 1;
  }
  std::printf("capacity:       %u elements of %u bytes\n", info.capacity, info.element_size);
  std::printf("state:          %u (written as %s)\n", static_cast<unsigned>(info.state), info.written_by().c_str());
  std::printf("reserved:       index %llu, %llu element%s at a time\n", static_cast<unsigned long long>(info.reserved),
              static_cast<unsigned long long>(info.reserved_size), info.reserved_size == 1 ? "" : "s");
  std::printf("newest message: %s\nlast_published: %s\n", or_none(info.newest).c_str(),
              info.tracks_last_published ? or_none(info.last_published).c_str() : "not kept in this segment");
  std::printf("messages:       %llu\nholes:          %llu element%s\nmapped by:      %s\n",
              static_cast<unsigned long long>(info.messages), static_cast<unsigned long long>(info.holes),
              info.holes == 1 ? "" : "s", text_of(slick::who_maps(info.path)).c_str());
  return 0;
}

int slick_clean(const Common& common, const SlickCleanOptions& options) {
  std::vector<slick::SegmentInfo> candidates;
  if (options.all == !options.names.empty()) throw Error("say which segments to remove, by name, or --all");
  if (options.all) candidates = slick::list_segments();
  for (const std::string& name : options.names) candidates.push_back(slick::inspect_segment(name));
  auto removed = nlohmann::json::array();
  bool kept = false;
  for (const auto& info : candidates) {
    const slick::Mappers mappers = slick::who_maps(info.path);
    if (!mappers.processes.empty() || (!mappers.complete && !options.force)) {
      std::fprintf(stderr, "kept %s: mapped by %s%s\n", name_of(info).c_str(), text_of(mappers).c_str(),
                   mappers.processes.empty() ? "; --force removes it" : "");
      kept = true;
      continue;
    }
    if (!options.dry_run && ::unlink(info.path.c_str()) != 0) {
      throw SystemError("cannot remove '" + info.path + "'", errno);
    }
    removed.push_back(name_of(info));
    if (!common.json) std::printf("%s %s\n", options.dry_run ? "would remove" : "removed", name_of(info).c_str());
  }
  if (common.json) std::cout << nlohmann::json{{"removed", removed}}.dump() << "\n";
  return kept ? 1 : 0;
}

}  // namespace sluice::commands
