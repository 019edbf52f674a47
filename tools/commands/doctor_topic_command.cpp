#include <algorithm>
#include <cstdio>
#include <iostream>

#include <nlohmann/json.hpp>

#include "commands/commands.hpp"
#include "commands/doctor_topic.hpp"

namespace sluice::commands {

namespace {

const char* word_of(Severity severity) {
  switch (severity) {
    case Severity::flows: return "flows";
    case Severity::degraded: return "degraded";
    case Severity::blocked: break;
  }
  return "blocked";
}

std::string text_of(const Finding& finding) {
  std::string text = finding.between + ": ";
  switch (finding.severity) {
    case Severity::flows: text += finding.sentence.empty() ? "data flows" : "data flows: "; break;
    case Severity::degraded: text += "data flows, but "; break;
    case Severity::blocked: text += "no data flows: "; break;
  }
  return text + finding.sentence + (finding.remedy.empty() ? "" : "; " + finding.remedy);
}

}  // namespace

int doctor_topic(const Common& common, const std::string& topic) {
  const Config config = Config::load_or_environment(common.config_files);
  const auto findings = diagnose(collect_facts(config, topic.starts_with('/') ? topic : "/" + topic));
  auto json = nlohmann::json::array();
  for (const Finding& finding : findings) {
    json.push_back({{"severity", word_of(finding.severity)},
                    {"cause", finding.cause},
                    {"between", finding.between},
                    {"sentence", finding.sentence},
                    {"remedy", finding.remedy}});
    if (!common.json) std::printf("%s\n", text_of(finding).c_str());
  }
  if (common.json) std::cout << json.dump(2) << "\n";
  const bool blocked = std::any_of(findings.begin(), findings.end(),
                                   [](const Finding& finding) { return finding.severity == Severity::blocked; });
  return blocked ? 1 : 0;
}

}  // namespace sluice::commands
