#include "kill_points/control_case.hpp"

#include <algorithm>
#include <filesystem>

#include <sluice/sluice.hpp>

namespace sluice::kill_points {

namespace {

using test::eventually;

constexpr int kMostVisits = 40;
constexpr int kManyEndpoints = 40;  // more than a record has room for before it grows

class ControlCase {
 public:
  ControlCase(const ControlTarget& target, std::uint64_t hit, Fate fate)
      : target_(target),
        fate_(fate),

        plan_(target.point + ":" + std::to_string(hit) + (fate == Fate::kill ? ":kill" : ":stop")) {
    options_.config =
        Config::parse("runtime_dir: " + directory_.path() + "/run\nmode: 0660\n" + "topics: {/**: {transport: inproc}}",
                      "kill_points.yaml");
  }
  ControlCase(const ControlCase&) = delete;
  ControlCase& operator=(const ControlCase&) = delete;
  ~ControlCase() { ::munmap(&shared_, sizeof(stress::Shared)); }

  Outcome run() {
    stress::Child untouched = start_process("", [&] { return target_.alone ? 0 : untouched_node(); });
    if (!target_.alone)
      require(eventually([&] { return listed("/untouched"); }, kWatchdog), "the untouched node is missing");
    if (target_.leftover) leave_something();
    stress::Child victim = start_process(plan_, [&] { return nodes_come_and_go(); });
    const bool reached = met_fate(victim);
    if (reached) live_on(victim);
    shared_.stop.store_release(1);
    for (stress::Child* child : {&victim, &untouched}) {
      child->signal(SIGCONT);
      require(eventually([&] { return child->ended(); }, kWatchdog), "a process does not end");
      require(child->code == 0 || (child == &victim && child->code == 128 + SIGKILL && dies()),
              "a process ended with " + std::to_string(child->code));
    }
    check_heir();
    return failed_ ? Outcome::failed : reached ? Outcome::reached : Outcome::not_reached;
  }

 private:
  [[nodiscard]] bool dies() const { return fate_ == Fate::kill || fate_ == Fate::stop_and_kill; }

  void require(bool condition, const std::string& what) {
    if (condition) return;
    failed_ = true;
    std::printf("FAILED: control: %s: %s\n", plan_.c_str(), what.c_str());
  }

  int untouched_node() {
    Node node("untouched", options_);
    auto out = node.advertise_bytes("/topic");
    while (shared_.stop.load_acquire() == 0) std::this_thread::sleep_for(std::chrono::milliseconds{1});
    return 0;
  }

  int nodes_come_and_go() {
    for (int visit = 0; visit < kMostVisits && shared_.stop.load_acquire() == 0; ++visit) {
      Node node("victim", options_);
      std::vector<BytesPublisher> many;
      for (int k = 0; k < kManyEndpoints; ++k) many.push_back(node.advertise_bytes("/topic"));
    }
    return 0;
  }

  void leave_something() {
    stress::Child dead = start_process("record.entry.added:1:kill", [&] { return nodes_come_and_go(); });
    require(eventually([&] { return dead.ended(); }, kWatchdog), "nobody dies to leave something");
    dead_ = dead.pid;
  }

  bool met_fate(stress::Child& victim) {
    bool stopped = false;
    const auto settled = [&] {
      stopped = stopped || victim.stopped();
      return stopped || victim.ended();
    };
    require(eventually(settled, kWatchdog), "the victim neither gets to the point nor past it");
    return stopped || victim.code == 128 + SIGKILL;
  }

  void live_on(stress::Child& victim) {
    check_graph(victim);
    if (fate_ == Fate::kill) return;
    victim.signal(fate_ == Fate::stop_and_kill ? SIGKILL : SIGCONT);
    if (fate_ == Fate::stop_and_kill) {
      require(eventually([&] { return victim.ended(); }, kWatchdog), "the killed victim does not end");
    }
    check_graph(victim);
  }

  /// Complete at first look, and again when somebody has joined and swept.
  void check_graph(stress::Child& victim) {
    check_snapshot(victim);
    stress::Child visitor = start_process("", [&] {
      const Node node("visitor", options_);
      return open_to_the_group(options_.config.domain().runtime_dir) &&
                     open_to_the_group(options_.config.domain().directory())
                 ? 0
                 : 1;
    });
    require(eventually([&] { return visitor.ended(); }, kWatchdog) && visitor.code == 0,
            "nobody else can join, or not with the rights that 'mode' gives them");
    check_snapshot(victim);
  }

  /// As `mode` says, also if whoever made the directory died before it could say so.
  static bool open_to_the_group(const std::string& directory) {
    return std::filesystem::status(directory).permissions() == std::filesystem::perms{0770};
  }

  void check_snapshot(stress::Child& victim) {
    const GraphSnapshot graph = read_graph(options_.config.domain());
    require(graph.problems.empty(), graph.problems.empty() ? "" : graph.problems.front());
    require(target_.alone || has_untouched(graph), "the untouched node is not listed with its publisher");
    for (const ProcessInfo& process : graph.processes) {
      require(process.pid != dead_, "the graph shows a process that died before");
      require(!victim.done || process.pid != victim.pid, "the graph shows a dead process");
    }
  }

  static bool has_untouched(const GraphSnapshot& graph) {
    return std::any_of(graph.processes.begin(), graph.processes.end(), [](const ProcessInfo& process) {
      return process.nodes == std::vector<std::string>{"/untouched"} && process.endpoints.size() == 1 &&
             process.endpoints[0].node == "/untouched" && process.endpoints[0].topic == "/topic";
    });
  }

  bool listed(const std::string& node) const {
    const GraphSnapshot graph = read_graph(options_.config.domain());
    return std::any_of(graph.processes.begin(), graph.processes.end(), [&](const ProcessInfo& process) {
      return std::count(process.nodes.begin(), process.nodes.end(), node) != 0 && process.endpoints.size() == 1;
    });
  }

  void check_heir() {
    stress::Child heir = start_process("", [&] {
      const Node node("heir", options_);
      const GraphSnapshot graph = read_graph(options_.config.domain());
      return graph.processes.size() == 1 && graph.problems.empty() ? 0 : 1;
    });
    require(eventually([&] { return heir.ended(); }, kWatchdog) && heir.code == 0,
            "whoever comes next does not find an empty domain");
    require(std::filesystem::is_empty(directory_.path()), "something is left behind");
  }

  const ControlTarget& target_;
  Fate fate_;
  std::string plan_;
  test::TemporaryDirectory directory_;
  NodeOptions options_;
  stress::Shared& shared_ = stress::Shared::create();
  std::int64_t dead_ = -1;
  bool failed_ = false;
};

}  // namespace

Outcome run_control_case(const ControlTarget& target, std::uint64_t hit, Fate fate) {
  return ControlCase(target, hit, fate).run();
}

}  // namespace sluice::kill_points
