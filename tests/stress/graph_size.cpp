// graph_size list SLUICE [--times N]    1,000 nodes and 2,000 endpoints in 20 processes while others come and go:
//                                       `SLUICE topic list` is complete each time; how long it takes
// graph_size idle [--seconds N]         50 idle processes of one topic against 50 that sleep with the same timers
// graph_size many [--processes N]       so many processes know each other, also with few inotify instances

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <exception>
#include <fstream>
#include <list>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <sluice/shm/deadline.hpp>
#include <sluice/sluice.hpp>

#include "stress/stress_process.hpp"
#include "support/child_process.hpp"
#include "support/temporary_directory.hpp"

extern char** environ;

namespace sluice::stress {

namespace {

using namespace std::chrono_literals;
using test::ChildProcess;

constexpr std::chrono::seconds kWatchdog{120};

struct Arguments {
  std::string mode;
  std::string sluice;
  std::uint64_t times = 100;
  std::uint64_t seconds = 10;
  std::uint64_t processes = 40;
};

void require(bool holds, const std::string& otherwise) {
  if (!holds) throw std::runtime_error(otherwise);
}

/// Shared by all processes of a run.
struct Counters {
  Word ready;
  Word met;  ///< Pairs of processes of which one was told of the other.
};

Counters& shared_counters() {
  return *static_cast<Counters*>(
      ::mmap(nullptr, sizeof(Counters), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}

class Run {
 public:
  explicit Run(const Arguments& arguments) : arguments_(arguments), counters_(shared_counters()) {
    ::setenv("SLUICE_RUNTIME_DIR", (directory_.path() + "/run").c_str(), 1);
    options_.config = Config::parse(
        "log_level: warn\ntopics: {/**: {depth: 2, max_size: 64B}, /common: {max_publishers: "
        "256, max_subscribers: 256, depth: 4}}\n",
        "graph_size");
  }

  int list() {
    constexpr std::uint64_t kProcesses = 20;
    constexpr std::uint64_t kNodes = 50;
    for (std::uint64_t p = 0; p < kProcesses; ++p) children_.emplace_back([this, p] { return crowd(p, kNodes); });
    await_ready(kProcesses);
    ChildProcess comers([this] { return come_and_go(); });
    std::vector<double> times;
    for (std::uint64_t i = 0; i < arguments_.times; ++i) {
      const std::int64_t begin = shm::monotonic_ns();
      const std::string output = run_sluice();
      times.push_back(static_cast<double>(shm::monotonic_ns() - begin) / 1e6);
      check_complete(output, kProcesses * kNodes);
    }
    std::sort(times.begin(), times.end());
    std::printf(
        "topic list of 1,000 nodes and 2,000 endpoints in 20 processes: complete %zu times, p50 %.1f ms, p99 %.1f "
        "ms, at most %.1f ms\n",
        times.size(), times[times.size() / 2], times[times.size() * 99 / 100], times.back());
    return 0;
  }

  int idle() {
    constexpr std::uint64_t kProcesses = 50;
    const double ours = cpu_of([this] { return spin_idly(); }, kProcesses, true);
    const double theirs = cpu_of([] { return sleep_idly(); }, kProcesses, false);
    std::printf(
        "%llu idle processes on one topic: %.3f %% of a core; asleep with the same timers: %.3f %%; ratio %.2f\n",
        static_cast<unsigned long long>(kProcesses), ours * 100, theirs * 100, ours / theirs);
    return 0;
  }

  int many() {
    const std::uint64_t count = arguments_.processes;
    for (std::uint64_t p = 0; p < count; ++p) children_.emplace_back([this] { return meet_others(); });
    await_ready(count);
    require(test::eventually([&] { return counters_.met.load_relaxed() >= count * (count - 1); }, kWatchdog),
            "not everybody was told of everybody: " + std::to_string(counters_.met.load_relaxed()));
    require(read_graph(options_.config.domain()).processes.size() == count, "a look from outside misses a process");
    std::printf("%llu processes: everybody was told of everybody\n", static_cast<unsigned long long>(count));
    return 0;
  }

 private:
  void await_ready(std::uint64_t count) {
    require(test::eventually([&] { return counters_.ready.load_relaxed() == count; }, kWatchdog),
            "a process does not start");
  }

  /// A publisher and a subscription for each node, on topics that two nodes share.
  int crowd(std::uint64_t p, std::uint64_t count) {
    std::deque<Node> nodes;
    std::vector<BytesPublisher> publishers;
    std::vector<BytesSubscription> subscriptions;
    for (std::uint64_t n = 0; n < count; ++n) {
      const std::string name = std::to_string(p) + "_" + std::to_string(n);
      nodes.emplace_back("node_" + name, options_);
      publishers.push_back(nodes.back().advertise_bytes("topic_" + name));
      subscriptions.push_back(nodes.back().subscribe_bytes("topic_" + name));
    }
    counters_.ready.fetch_add_relaxed(1);
    nodes.front().spin();
    return 0;
  }

  int come_and_go() {
    for (;;) {
      ChildProcess visitor([this] {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // who makes them is killed in the end
        Node node("visitor", options_);
        const auto out = node.advertise_bytes("visited");
        node.spin_for(20ms);
        return 0;
      });
      ChildProcess victim([this] {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        Node node("victim", options_);
        node.spin();
        return 0;
      });
      std::this_thread::sleep_for(15ms);
      victim.kill(SIGKILL);
      (void)victim.wait();
      (void)visitor.wait();
    }
  }

  std::string run_sluice() {
    std::array<int, 2> ends{};
    require(::pipe2(ends.data(), O_CLOEXEC) == 0, "no pipe");
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    std::vector<std::string> words{arguments_.sluice, "topic", "list"};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_t pid = 0;
    require(::posix_spawn(&pid, words[0].c_str(), &actions, nullptr, argv.data(), environ) == 0, "cannot start sluice");
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    std::string output;
    std::array<char, 65536> buffer{};
    for (ssize_t got = 0; (got = ::read(ends[0], buffer.data(), buffer.size())) > 0;) {
      output.append(buffer.data(), static_cast<std::size_t>(got));
    }
    ::close(ends[0]);
    int status = 0;
    require(::waitpid(pid, &status, 0) == pid && status == 0, "sluice topic list failed");
    return output;
  }

  static void check_complete(const std::string& output, std::uint64_t expected) {
    std::uint64_t found = 0;
    for (std::size_t at = output.find("/topic_"); at != std::string::npos; at = output.find("/topic_", at + 1)) ++found;
    require(found == expected,
            "topic list shows " + std::to_string(found) + " of " + std::to_string(expected) + " topics");
  }

  int spin_idly() {
    Node node("idle", options_);
    const auto out = node.advertise_bytes("common");
    const auto in = node.subscribe_bytes("common", [](std::span<const std::byte>) {});
    counters_.ready.fetch_add_relaxed(1);
    node.spin();
    return 0;
  }

  /// What wakes there: the control thread once a second, and the executor every half minute.
  static int sleep_idly() {
    std::thread other([] {
      for (;;) std::this_thread::sleep_for(1s);
    });
    for (;;) std::this_thread::sleep_for(30s);
  }

  /// Share of a core that all of them take together, once they have settled.
  double cpu_of(const std::function<int()>& body, std::uint64_t count, bool announce) {
    std::list<ChildProcess> processes;
    for (std::uint64_t p = 0; p < count; ++p) processes.emplace_back(body);
    if (announce) await_ready(count);
    std::this_thread::sleep_for(3s);
    const auto total = [&] {
      double sum = 0;
      for (const ChildProcess& process : processes) sum += cpu_seconds(process.pid());
      return sum;
    };
    const double before = total();
    std::this_thread::sleep_for(std::chrono::seconds{arguments_.seconds});
    return (total() - before) / static_cast<double>(arguments_.seconds);
  }

  /// All threads, to the nanosecond.
  static double cpu_seconds(pid_t pid) {
    double sum = 0;
    for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
      std::uint64_t ns = 0;
      std::ifstream(task.path() / "schedstat") >> ns;
      sum += static_cast<double>(ns) / 1e9;
    }
    return sum;
  }

  int meet_others() {
    Node node("node", options_);
    std::set<std::string> met;
    node.on_graph_change([&](const GraphEvent& event) {
      if (event.kind == GraphEvent::Kind::joined && met.insert(event.process.record).second) {
        counters_.met.fetch_add_relaxed(1);
      }
    });
    counters_.ready.fetch_add_relaxed(1);
    node.spin();
    return 0;
  }

  Arguments arguments_;
  Counters& counters_;
  test::TemporaryDirectory directory_;
  NodeOptions options_;
  std::list<ChildProcess> children_;
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  arguments.mode = argc > 1 ? argv[1] : "";
  int next = 2;
  if (arguments.mode == "list" && argc > 2) arguments.sluice = argv[next++];
  for (; next + 1 < argc; next += 2) {
    const std::string option = argv[next];
    const std::uint64_t value = std::stoull(argv[next + 1]);
    if (option == "--times") arguments.times = value;
    if (option == "--seconds") arguments.seconds = value;
    if (option == "--processes") arguments.processes = value;
  }
  return arguments;
}

int run_mode(const Arguments& arguments) {
  Run run(arguments);
  if (arguments.mode == "list" && !arguments.sluice.empty()) return run.list();
  if (arguments.mode == "idle") return run.idle();
  if (arguments.mode == "many") return run.many();
  throw std::runtime_error("usage: graph_size list SLUICE [--times N] | idle [--seconds N] | many [--processes N]");
}

}  // namespace

}  // namespace sluice::stress

int main(int argc, char** argv) {
  try {
    return sluice::stress::run_mode(sluice::stress::parse(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "graph_size: %s\n", error.what());
    return 1;
  }
}
