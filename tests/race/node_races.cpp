#include <sluice/sluice.hpp>

#include "control/process_record.hpp"
#include "race/race_support.hpp"
#include "race/scenarios.hpp"
#include "support/temporary_directory.hpp"

namespace race {
struct Sample {
  std::uint64_t words[4];
};
}  // namespace race

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

/// A domain of this process alone. /sample goes over slick, reliably.
class Domain {
 public:
  Domain() {
    options.config = Config::parse("runtime_dir: " + directory_.path() +
                                       "/run\ntopics: {/sample: {reliability: reliable, depth: 8, "
                                       "max_blocking_time: 60s}, /local: {transport: inproc}}",
                                   "race_test");
    options.handle_signals = false;
  }
  NodeOptions options;

 private:
  TemporaryDirectory directory_;
};

void look_at(const race::Sample& sample) {
  for (const std::uint64_t word : sample.words) require(word == sample.words[0], "no sample is torn");
}

race::Sample sample_of(std::uint64_t number) { return {{number, number, number, number}}; }

/// Several executors after the other: one thread spins, another publishes to it, a third gives the executor a further
/// node and takes it away again, and whoever sees the last sample ends it.
void executor_start_stop() {
  constexpr std::uint64_t kRounds = 20;
  constexpr std::uint64_t kSamples = 200;
  const Domain domain;
  Node talker("talker", domain.options);
  Node listener("listener", domain.options);
  auto out = talker.advertise<race::Sample>("/sample");
  Signal received;
  Signal calls;
  const auto in = listener.subscribe<race::Sample>("/sample", [&](const race::Sample& sample) {
    look_at(sample);
    received.add();
  });
  for (std::uint64_t round = 1; round <= kRounds; ++round) {
    Executor executor;
    executor.add(listener);
    Crew crew;
    crew.add([&] { executor.spin(); });
    crew.add([&] {
      for (std::uint64_t i = 0; i < kSamples; ++i) (void)out.publish(sample_of(i));
    });
    crew.add([&] {
      while (received.value() < round * kSamples) {
        Node guest("guest", domain.options);
        executor.add(guest);
        const auto local = guest.subscribe<race::Sample>("/local", [](const race::Sample& sample) { look_at(sample); });
        Timer timer = guest.every(1ms, [&calls] { calls.add(); });
        (void)guest.advertise<race::Sample>("/local").publish(sample_of(round));
        std::this_thread::yield();
        timer.cancel();
        executor.remove(guest);
      }
      executor.shutdown();
    });
    crew.run();
    executor.remove(listener);
  }
}

/// A node is told to end in the moment in which it begins to spin.
void executor_ended_at_start() {
  constexpr int kRounds = 50;
  const Domain domain;
  for (int round = 0; round < kRounds; ++round) {
    Node node("node", domain.options);
    Crew crew;
    crew.add([&] { node.spin(); });
    crew.add([&] { node.shutdown(); });
    crew.run();
  }
}

/// Two threads enter nodes and endpoints into the record of their process and take them out again, while a third reads
/// the graph.
void graph_while_it_changes() {
  constexpr int kVisits = 2'000;
  const Domain domain;
  const DomainSettings& settings = domain.options.config.domain();
  detail::ProcessRecord record(settings.directory(), {});
  Signal gone;
  Crew crew;
  for (const char* name : {"first", "second"}) {
    crew.add([&, name] {
      TopicSpec spec;
      spec.name = spec.transport = spec.type.name = name;
      for (int visit = 0; visit < kVisits; ++visit) {
        const std::size_t node = record.add_node(name);
        const std::size_t publisher = record.add_endpoint(detail::EntryKind::publisher, node, spec, name);
        record.set_open(publisher);
        record.remove(publisher);
        record.remove(node);
      }
      gone.add();
    });
  }
  crew.add([&] {
    while (gone.value() < 2) {
      const GraphSnapshot graph = read_graph(settings);
      require(graph.processes.size() == 1, "this process is there");
      for (const auto& process : graph.processes) {
        for (const auto& endpoint : process.endpoints) {
          require(endpoint.topic == endpoint.transport && endpoint.topic == endpoint.type, "an entry is one set");
        }
      }
    }
  });
  crew.run();
}

constexpr Scenario kScenarios[] = {
    {"executor_start_stop", executor_start_stop},
    {"executor_ended_at_start", executor_ended_at_start},
    {"graph_while_it_changes", graph_while_it_changes},
};

}  // namespace

const std::span<const Scenario> scenarios = kScenarios;

}  // namespace sluice::test
