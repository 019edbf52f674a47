// graph_churn [--events N] [--processes N] [--seed N]
//
// The processes of a domain are killed, stopped, continued, asked to leave and started again at random moments. Each of
// them writes down what it is told of the others. At the end every one of them must know exactly who is there and how
// the others went, a look from outside must say the same after every event, and nothing may be left in shared memory.
// Prints how long it took until each was told.

#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <optional>
#include <random>
#include <stdexcept>
#include <vector>

#include <sluice/shm/deadline.hpp>
#include <sluice/sluice.hpp>

#include "stress/stress_process.hpp"
#include "support/child_process.hpp"
#include "support/temporary_directory.hpp"

namespace sluice::stress {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMost = 32;
constexpr std::size_t kMostStarts = 100'000;
/// What one process was told last of the process in a slot. Generations tell the successive ones apart.
struct View {
  Word generation;
  Word liveliness;  ///< One more than the enumerator; 0: nothing yet.
  Word told_ns;
};

/// One that was started, at some time.
struct Started {
  Word pid;
  Word slot;
  Word generation;
};

struct SharedGraph {
  std::array<std::array<View, kMost>, kMost> views;  ///< [who was told][of whom]
  std::array<Word, kMost> ready;                     ///< The generation that has opened its endpoints and listens.
  Word starts;
  std::array<Started, kMostStarts> started;  ///< In the order in which they were.

  /// Who this process is or was; a pid may have been used before. nullptr: none of ours.
  const Started* find(std::int64_t pid) const {
    for (std::uint64_t i = starts.load_acquire(); i > 0; --i) {
      if (started[i - 1].pid.load_relaxed() == static_cast<std::uint64_t>(pid)) return &started[i - 1];
    }
    return nullptr;
  }
};

struct Settings {
  std::uint64_t events = 60;
  std::uint64_t processes = 8;
  std::uint64_t seed = 1;
};

enum class State { alive, stopped, killed, left };

class Churn {
 public:
  explicit Churn(const Settings& settings)
      : settings_(settings),
        random_(settings.seed),
        shared_(*static_cast<SharedGraph*>(
            ::mmap(nullptr, sizeof(SharedGraph), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
    options_.config =
        Config::parse("runtime_dir: " + directory_.path() + "/run\ntopics: {/**: {liveliness: 300ms}}", "graph_churn");
  }

  int run() {
    for (std::size_t slot = 0; slot < settings_.processes; ++slot) start(slot);
    for (std::uint64_t event = 0; event < settings_.events; ++event) {
      happen(std::uniform_int_distribution<std::size_t>(0, settings_.processes - 1)(random_));
      check_from_outside();
    }
    for (std::size_t slot = 0; slot < settings_.processes; ++slot) {
      if (at(slot).state == State::stopped) proceed(slot);
    }
    const bool known = test::eventually([&] { return everybody_knows(); }, kWatchdog);
    require(known, "somebody does not know who is there: " + doubt_);
    for (std::size_t slot = 0; slot < settings_.processes; ++slot) {
      if (at(slot).state == State::alive) leave(slot);
    }
    report("lost after kill -9", lost_ns_);
    report("late after SIGSTOP", late_ns_);
    report("alive after SIGCONT", alive_ns_);
    const bool clean = !std::filesystem::exists(directory_.path() + "/run");
    require(clean, "something is left in the runtime directory");
    std::printf("graph_churn: %llu events, %llu processes: every view is right, nothing is left\n",
                static_cast<unsigned long long>(settings_.events),
                static_cast<unsigned long long>(settings_.processes));
    return 0;
  }

 private:
  static constexpr std::chrono::seconds kWatchdog{30};

  struct Slot {
    std::optional<Child> child;
    State state = State::left;
    std::uint64_t generation = 0;
  };

  static void require(bool holds, const std::string& otherwise) {
    if (!holds) throw std::runtime_error(otherwise);
  }
  Slot& at(std::size_t slot) { return slots_[slot]; }

  void start(std::size_t slot) {
    Slot& s = at(slot);
    ++s.generation;
    s.child.reset();
    s.child.emplace(static_cast<std::uint32_t>(slot),
                    [this, slot, generation = s.generation] { return participate(slot, generation); });
    require(test::eventually([&] { return shared_.ready[slot].load_acquire() == s.generation; }, kWatchdog),
            "a process does not start");
    s.state = State::alive;
  }

  int participate(std::size_t slot, std::uint64_t generation) {
    for (View& view : shared_.views[slot]) view.liveliness.store_relaxed(0);
    const std::uint64_t starts = shared_.starts.load_relaxed();
    shared_.started[starts].pid.store_relaxed(static_cast<std::uint64_t>(::getpid()));
    shared_.started[starts].slot.store_relaxed(slot);
    shared_.started[starts].generation.store_relaxed(generation);
    shared_.starts.store_release(starts + 1);
    Node node("node", options_);
    const auto out = node.advertise_bytes("common");
    const auto in = node.subscribe_bytes("common", [](std::span<const std::byte>) {});
    node.on_graph_change([&](const GraphEvent& event) {
      const Started* who = shared_.find(event.process.pid);
      if (who == nullptr) return;
      View& view = shared_.views[slot][who->slot.load_relaxed()];
      view.generation.store_relaxed(who->generation.load_relaxed());
      view.told_ns.store_relaxed(static_cast<std::uint64_t>(shm::monotonic_ns()));
      view.liveliness.store_release(static_cast<std::uint64_t>(event.process.liveliness) + 1);
    });
    shared_.ready[slot].store_release(generation);
    node.spin();
    return 0;
  }

  void happen(std::size_t slot) {
    const int dice = std::uniform_int_distribution<int>(0, 9)(random_);
    switch (at(slot).state) {
      case State::killed:
      case State::left: return start(slot);
      case State::stopped:
        if (dice < 3) return kill(slot);
        return proceed(slot);
      case State::alive:
        if (dice < 4) return kill(slot);
        if (dice < 6) return leave(slot);
        return stop(slot);
    }
  }

  void kill(std::size_t slot) {
    const std::int64_t at_ns = shm::monotonic_ns();
    at(slot).child->signal(SIGKILL);
    require(test::eventually([&] { return at(slot).child->ended(); }, kWatchdog), "a killed process does not end");
    ended(slot, State::killed);
    await_views(slot, Liveliness::lost, at_ns, lost_ns_);
  }

  void leave(std::size_t slot) {
    at(slot).child->signal(SIGTERM);
    require(test::eventually([&] { return at(slot).child->ended(); }, kWatchdog), "a process does not leave");
    require(at(slot).child->code == 0, "a process did not leave in order");
    ended(slot, State::left);
  }

  void ended(std::size_t slot, State how) { at(slot).state = how; }

  void stop(std::size_t slot) {
    at(slot).child->signal(SIGSTOP);
    require(test::eventually([&] { return at(slot).child->stopped(); }, kWatchdog), "a process does not stop");
    const std::int64_t at_ns = shm::monotonic_ns();
    at(slot).state = State::stopped;
    await_views(slot, Liveliness::late, at_ns, late_ns_);
  }

  void proceed(std::size_t slot) {
    const std::int64_t at_ns = shm::monotonic_ns();
    at(slot).child->signal(SIGCONT);
    at(slot).state = State::alive;
    await_views(slot, Liveliness::alive, at_ns, alive_ns_);
  }

  /// Until everybody who can know it was told (who has not met it alive hears of no death); half of the time it goes on
  /// without waiting for that.
  void await_views(std::size_t of, Liveliness liveliness, std::int64_t since, std::vector<std::int64_t>& times) {
    if (std::uniform_int_distribution<int>(0, 1)(random_) == 0) return;
    for (std::size_t slot = 0; slot < settings_.processes; ++slot) {
      if (slot == of || at(slot).state != State::alive) continue;
      const View& view = shared_.views[slot][of];
      if (liveliness == Liveliness::lost && view.generation.load_relaxed() != at(of).generation) continue;
      require(test::eventually([&] { return knows(view, at(of).generation, liveliness); }, kWatchdog),
              "slot " + std::to_string(slot) + " is not told that slot " + std::to_string(of) + " is " +
                  to_string(liveliness));
      const std::int64_t told = static_cast<std::int64_t>(view.told_ns.load_relaxed());
      if (told > since) times.push_back(told - since);  // otherwise nothing was to be told
    }
  }

  static std::uint64_t word(Liveliness liveliness) { return static_cast<std::uint64_t>(liveliness) + 1; }

  static bool knows(const View& view, std::uint64_t generation, Liveliness liveliness) {
    return view.liveliness.load_acquire() == word(liveliness) && view.generation.load_relaxed() == generation;
  }

  /// The first look from outside is complete, and shows nobody who is gone.
  void check_from_outside() {
    std::size_t expected = 0;
    for (std::size_t slot = 0; slot < settings_.processes; ++slot) {
      expected += at(slot).state == State::alive || at(slot).state == State::stopped ? 1 : 0;
    }
    const GraphSnapshot graph = read_graph(options_.config.domain());
    require(graph.problems.empty(), graph.problems.empty() ? "" : graph.problems.front());
    require(graph.processes.size() == expected, "a look from outside shows " + std::to_string(graph.processes.size()) +
                                                    " processes instead of " + std::to_string(expected));
    for (const ProcessInfo& process : graph.processes) {
      const Started* who = shared_.find(process.pid);
      require(who != nullptr && at(who->slot.load_relaxed()).generation == who->generation.load_relaxed(),
              "a look from outside shows somebody who is gone");
      require(process.endpoints.size() == 2, "a look from outside misses an endpoint");
    }
  }

  bool everybody_knows() {
    for (std::size_t slot = 0; slot < settings_.processes; ++slot) {
      if (at(slot).state != State::alive) continue;
      for (std::size_t of = 0; of < settings_.processes; ++of) {
        if (of == slot || view_is_right(slot, of)) continue;
        const View& view = shared_.views[slot][of];
        doubt_ = "slot " + std::to_string(slot) + " of " + std::to_string(of) + ": liveliness " +
                 std::to_string(view.liveliness.load_relaxed()) + ", generation " +
                 std::to_string(view.generation.load_relaxed()) + " of " + std::to_string(at(of).generation);
        return false;
      }
    }
    return true;
  }

  bool view_is_right(std::size_t slot, std::size_t of) {
    const View& view = shared_.views[slot][of];
    const Slot& other = at(of);
    if (other.state == State::alive) return knows(view, other.generation, Liveliness::alive);
    // Who was stopped during the other one's life, or met it only in death, has never heard of it.
    const std::uint64_t told = view.liveliness.load_acquire();
    const bool unheard_of = told == 0 || view.generation.load_relaxed() < other.generation;
    if (unheard_of) return told == 0 || told == word(Liveliness::lost) || told == word(Liveliness::left);
    return knows(view, other.generation, other.state == State::killed ? Liveliness::lost : Liveliness::left);
  }

  static void report(const char* what, std::vector<std::int64_t>& times) {
    if (times.empty()) return;
    std::sort(times.begin(), times.end());
    const auto ms = [&](double share) {
      return static_cast<double>(times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))]) / 1e6;
    };
    std::printf("%s: told %zu times, after p50 %.1f ms, p99 %.1f ms, at most %.1f ms\n", what, times.size(), ms(0.5),
                ms(0.99), ms(1.0));
  }

  Settings settings_;
  std::mt19937_64 random_;
  SharedGraph& shared_;
  test::TemporaryDirectory directory_;
  NodeOptions options_;
  std::array<Slot, kMost> slots_;
  std::string doubt_;
  std::vector<std::int64_t> lost_ns_;
  std::vector<std::int64_t> late_ns_;
  std::vector<std::int64_t> alive_ns_;
};

Settings parse(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; i += 2) {
    const std::string option = argv[i];
    std::uint64_t* value = option == "--events"      ? &settings.events
                           : option == "--processes" ? &settings.processes
                           : option == "--seed"      ? &settings.seed
                                                     : nullptr;
    if (value == nullptr || i + 1 == argc)
      throw std::runtime_error("usage: graph_churn [--events N] [--processes N] [--seed N]");
    *value = std::stoull(argv[i + 1]);
  }
  if (settings.processes < 2 || settings.processes > kMost) throw std::runtime_error("--processes: 2 to 32");
  return settings;
}

}  // namespace

}  // namespace sluice::stress

int main(int argc, char** argv) {
  try {
    return sluice::stress::Churn(sluice::stress::parse(argc, argv)).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "graph_churn: %s\n", error.what());
    return 1;
  }
}
