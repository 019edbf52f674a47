#include <sluice/sluice.hpp>

#include <signal.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <thread>

#include "support/child_process.hpp"
#include "unit/node/watched_domain.hpp"

using namespace sluice;
using namespace sluice::test;
using namespace std::chrono_literals;

TEST_CASE("a reader that sleeps looks again when a publisher of its topic dies, which may have been about to ring") {
  WatchedDomain domain("plugin_path: [" SLUICE_SCRIPTED_PLUGIN
                       "]\ntopics: {/topic: {transport: scripted, max_size: 8B, silent: true}}\n");
  const Gate gate;
  ChildProcess talker = domain.talker(gate);
  Node node("listener", domain.options);
  std::size_t received = 0;
  const auto in = node.subscribe_bytes("topic", [&](std::span<const std::byte>) { ++received; });
  gate.open();
  REQUIRE(eventually([&] {
    (void)node.spin_for(20ms);
    const GraphSnapshot graph = node.graph();
    return graph.processes.size() == 2 &&
           graph.processes[0].endpoints.size() + graph.processes[1].endpoints.size() == 2;
  }));
  received = 0;
  (void)node.spin_for(100ms);
  talker.kill(SIGKILL);
  // By itself it would sleep for half a minute.
  const auto begun = std::chrono::steady_clock::now();
  while (received == 0 && std::chrono::steady_clock::now() - begun < 15s) (void)node.spin_for(20ms);
  CHECK(received > 0);
}

TEST_CASE("processes that were frozen together are not late to each other when they go on") {
  const WatchedDomain domain("topics: {/topic: {liveliness: 1s}}");
  const Gate begin;
  const Gate met;
  const Gate end;
  ChildProcess talker = domain.talker(begin);
  ChildProcess watcher([&] {
    Node node("listener", domain.options);
    const auto in = node.subscribe_bytes("topic", [](std::span<const std::byte>) {});
    Heard heard(node);
    begin.open();
    if (!heard.hears(GraphEvent::Kind::joined)) return 100;
    (void)node.spin_for(2s);  // heartbeats that are not looked at, for none could be late yet
    met.open();
    end.wait();
    (void)node.spin_for(100ms);
    return static_cast<int>(std::count_if(heard.events.begin(), heard.events.end(), [](const GraphEvent& event) {
      return event.kind == GraphEvent::Kind::late;
    }));
  });
  met.wait();
  for (ChildProcess* process : {&talker, &watcher}) process->kill(SIGSTOP);
  std::this_thread::sleep_for(3s);
  watcher.kill(SIGCONT);
  std::this_thread::sleep_for(100ms);  // it looks first
  talker.kill(SIGCONT);
  std::this_thread::sleep_for(1s);
  end.open();
  CHECK(watcher.wait() == 0);
}
