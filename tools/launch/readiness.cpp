#include "readiness.hpp"

#include <algorithm>

#include <sluice/error.hpp>

namespace sluice::launch {

Readiness::Readiness(const std::vector<std::string>& config_files)
    : domain_(Config::load_or_environment(config_files).domain()) {}

void Readiness::look() try { graph_ = read_graph(domain_); } catch (const Error&) {
  graph_ = {};
}

bool Readiness::has_node(const std::string& name) const {
  return std::any_of(graph_.processes.begin(), graph_.processes.end(), [&](const ProcessInfo& process) {
    return std::find(process.nodes.begin(), process.nodes.end(), name) != process.nodes.end();
  });
}

bool Readiness::has_publisher(const std::string& topic) const {
  return std::any_of(graph_.processes.begin(), graph_.processes.end(), [&](const ProcessInfo& process) {
    return std::any_of(process.endpoints.begin(), process.endpoints.end(), [&](const EndpointInfo& endpoint) {
      return endpoint.kind == EndpointKind::publisher && endpoint.topic == topic;
    });
  });
}

bool Readiness::has_node_of(pid_t pid) const {
  return std::any_of(graph_.processes.begin(), graph_.processes.end(),
                     [&](const ProcessInfo& process) { return process.pid == pid && !process.nodes.empty(); });
}

}  // namespace sluice::launch
