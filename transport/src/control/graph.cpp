#include <sluice/graph.hpp>

#include <algorithm>

#include "control/domain_files.hpp"
#include "control/process_record.hpp"
#include "control/record_view.hpp"

namespace sluice {

const char* to_string(Liveliness liveliness) noexcept {
  switch (liveliness) {
    case Liveliness::alive: return "alive";
    case Liveliness::late: return "late";
    case Liveliness::lost: return "lost";
    case Liveliness::left: break;
  }
  return "left";
}

GraphSnapshot read_graph(const DomainSettings& domain) {
  GraphSnapshot graph;
  for (const std::string& path : detail::domain_files(detail::records_directory(domain.directory()))) {
    if (!detail::is_record(path)) continue;
    const auto record = detail::RecordView::attach(path);
    if (record.absent()) continue;  // left meanwhile
    if (!record.ok()) {
      graph.problems.push_back(record.problem());
    } else if (detail::record_owner_lives(path)) {
      graph.processes.push_back(record.read(domain.directory()));
      record.judge(graph.processes.back());
    } else if (!record.left()) {
      graph.lost.push_back(record.read(domain.directory()));
      graph.lost.back().liveliness = Liveliness::lost;
    }
  }
  for (auto* processes : {&graph.processes, &graph.lost}) {
    std::sort(processes->begin(), processes->end(),
              [](const ProcessInfo& a, const ProcessInfo& b) { return a.pid < b.pid; });
  }
  return graph;
}

}  // namespace sluice
