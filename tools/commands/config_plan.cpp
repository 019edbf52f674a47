#include <algorithm>
#include <cstdio>
#include <iostream>

#include <nlohmann/json.hpp>

#include "commands/commands.hpp"
#include "commands/plan.hpp"
#include "commands/table.hpp"

namespace sluice::commands {

namespace {

std::string marked(const PlannedFile& file) { return file.path + (file.exists ? " (exists)" : ""); }

const PlannedFile& planned_file(const Plan& plan, const std::string& path) {
  return *std::find_if(plan.files.begin(), plan.files.end(),
                       [&](const PlannedFile& file) { return file.path == path; });
}

/// "1 + 1 (+ 1)": of a publisher, of a subscription, and once in a process.
std::string descriptors_text(const Footprint& footprint) {
  std::uint32_t once = 0;
  for (const FootprintFile& file : footprint.files) once += file.descriptors_per_process;
  return std::to_string(footprint.descriptors_per_writer) + " + " + std::to_string(footprint.descriptors_per_reader) +
         (once == 0 ? "" : " + " + std::to_string(once));
}

void add_topic(Table& table, const Plan& plan, const PlannedTopic& topic) {
  std::vector<std::string> row{topic.spec.name, topic.spec.transport, descriptors_text(topic.footprint),
                               std::to_string(topic.footprint.threads_per_process)};
  if (topic.footprint.files.empty()) {
    row.insert(row.end(), {topic.told() ? "0 bytes" : "not told", "-"});
    return table.add(std::move(row));
  }
  for (const FootprintFile& part : topic.footprint.files) {
    const PlannedFile& file = planned_file(plan, planned_path(plan.directory, part));
    const bool shared = file.topic != topic.spec.name;
    row.push_back(shared ? "with " + file.topic : bytes_text(file.bytes));
    row.push_back(marked(file));
    table.add(std::move(row));
    row = {"", "", "", ""};
  }
}

void print_plan(const Plan& plan, const std::vector<PlannedLimit>& limits, std::uint32_t endpoints) {
  Table table;
  table.add({"topic", "transport", "descriptors", "threads", "bytes", "file"});
  for (const PlannedTopic& topic : plan.topics) add_topic(table, plan, topic);
  const PlannedFile& record = plan.files.back();
  table.add({"(process)", "", std::to_string(record.descriptors_per_process),
             std::to_string(plan.process.threads_per_process), bytes_text(record.bytes), record.path});
  table.add({"sum", "", std::to_string(plan.descriptors), std::to_string(plan.threads), bytes_text(plan.bytes),
             std::to_string(plan.files.size()) + (plan.files.size() == 1 ? " file" : " files")});
  table.print();
  std::printf(
      "\nDescriptors are those of a publisher + a subscription (+ a process). The sums are those of one process "
      "with\n%u publisher%s and %u subscription%s of every topic.\n",
      endpoints, endpoints == 1 ? "" : "s", endpoints, endpoints == 1 ? "" : "s");
  if (plan.new_bytes != plan.bytes) std::printf("Not there yet: %s.\n", bytes_text(plan.new_bytes).c_str());
  std::printf("\n");
  for (const PlannedLimit& limit : limits) {
    const std::string free =
        limit.unit == "bytes" ? bytes_text(limit.free) : std::to_string(limit.free) + " " + limit.unit;
    std::printf("free: %s in %s\n", free.c_str(), limit.limited_by.c_str());
  }
}

nlohmann::json topic_json(const Plan& plan, const PlannedTopic& topic) {
  auto files = nlohmann::json::array();
  for (const FootprintFile& file : topic.footprint.files) {
    const std::string path = planned_path(plan.directory, file);
    files.push_back({{"path", path},
                     {"bytes", file.bytes},
                     {"exists", planned_file(plan, path).exists},
                     {"descriptors_per_process", file.descriptors_per_process}});
  }
  return {{"topic", topic.spec.name},
          {"transport", topic.spec.transport},
          {"files", files},
          {"descriptors_per_publisher", topic.footprint.descriptors_per_writer},
          {"descriptors_per_subscription", topic.footprint.descriptors_per_reader},
          {"threads_per_process", topic.footprint.threads_per_process},
          {"told", topic.told()},
          {"publishers", topic.publishers},
          {"subscriptions", topic.subscriptions},
          {"detail", topic.footprint.detail}};
}

void print_json(const Plan& plan, const std::vector<PlannedLimit>& limits) {
  nlohmann::json json{{"topics", nlohmann::json::array()}, {"limits", nlohmann::json::array()}};
  for (const PlannedTopic& topic : plan.topics) json["topics"].push_back(topic_json(plan, topic));
  const PlannedFile& record = plan.files.back();
  json["process"] = {{"path", record.path}, {"bytes", record.bytes}, {"descriptors", record.descriptors_per_process}};
  json["sum"] = {{"bytes", plan.bytes},
                 {"new_bytes", plan.new_bytes},
                 {"files", plan.files.size()},
                 {"descriptors", plan.descriptors},
                 {"threads", plan.threads}};
  for (const PlannedLimit& limit : limits) {
    json["limits"].push_back({{"unit", limit.unit},
                              {"limited_by", limit.limited_by},
                              {"needed", limit.needed},
                              {"free", limit.free},
                              {"problem", limit.problem}});
  }
  std::cout << json.dump(2) << "\n";
}

}  // namespace

int config_plan(const Common& common, const ConfigPlanOptions& options) {
  const Config config = Config::load_or_environment(options.files);
  const std::vector<std::string> names = options.topics.empty() ? config.topic_names() : options.topics;
  const Plan plan = make_plan(config, names, options.endpoints);
  const std::vector<PlannedLimit> limits = limits_of(plan);
  if (common.json) {
    print_json(plan, limits);
  } else {
    print_plan(plan, limits, options.endpoints);
    if (const auto patterns = config.topic_patterns(); options.topics.empty() && !patterns.empty()) {
      std::printf("\nTopics that only a wildcard names are not counted; name them with --topic.\n");
    }
  }
  bool enough = true;
  for (const PlannedLimit& limit : limits) {
    if (limit.problem.empty()) continue;
    enough = false;
    std::fprintf(stderr, "error: %s\n", limit.problem.c_str());
  }
  return enough ? 0 : 1;
}

}  // namespace sluice::commands
