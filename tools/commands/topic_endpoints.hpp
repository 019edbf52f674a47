#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <sluice/graph.hpp>

namespace sluice::commands {

/// A publisher or a subscription, and how its process is.
struct ShownEndpoint {
  EndpointInfo info;
  std::int64_t pid = 0;
  std::string executable;
  Liveliness liveliness{};
  std::string late_because;
};

/// Who has a topic open, had, or wanted to.
struct ShownEndpoints {
  std::vector<ShownEndpoint> publishers;     ///< Of living processes.
  std::vector<ShownEndpoint> subscriptions;  ///< Of living processes.
  std::vector<ShownEndpoint> refused;        ///< Of either kind: could not be opened.
  std::vector<ShownEndpoint> lost;           ///< Of either kind: their processes died.
};

[[nodiscard]] ShownEndpoints find_endpoints(const GraphSnapshot& graph, const std::string& topic);

/// One line for each: "  /camera (process 12, driver)", and what is wrong with it.
void print_lines(const char* title, const std::vector<ShownEndpoint>& endpoints);

/// A paragraph for each, in the words of `ros2 topic info -v`, and what Sluice knows beyond them.
void print_paragraphs(const std::vector<ShownEndpoint>& endpoints);

[[nodiscard]] nlohmann::json json_of(const std::vector<ShownEndpoint>& endpoints);

[[nodiscard]] const char* text_of(Reliability reliability);
[[nodiscard]] const char* text_of(Durability durability);

}  // namespace sluice::commands
