#include <sluice/sluice.hpp>

#include <signal.h>
#include <sys/inotify.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>

#include "support/child_process.hpp"
#include "unit/node/watched_domain.hpp"

using namespace sluice;
using namespace sluice::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using sluice::test::ChildProcess;
using sluice::test::eventually;

namespace {

constexpr const char* kLively = "topics: {/topic: {liveliness: 300ms}}";
using Kind = GraphEvent::Kind;

/// Takes all inotify instances that this user may have, as long as it lives.
class NoInotify {
 public:
  NoInotify() {
    for (int fd = ::inotify_init1(IN_CLOEXEC); fd >= 0; fd = ::inotify_init1(IN_CLOEXEC)) taken_.emplace_back(fd);
  }

 private:
  std::vector<shm::UniqueFd> taken_;
};

void check_life_of_a_process(const WatchedDomain& domain, const Gate& gate, ChildProcess& talker) {
  Node node("listener", domain.options);
  auto in = node.subscribe_bytes("topic", [](std::span<const std::byte>) {});
  Heard heard(node);
  gate.open();
  REQUIRE(heard.hears(Kind::joined));
  CHECK(heard.last().pid == talker.pid());
  if (heard.last().endpoints.empty()) REQUIRE(heard.hears(Kind::changed));
  REQUIRE(heard.last().endpoints.size() == 1);
  CHECK(heard.last().endpoints[0].topic == "/topic");
  CHECK(heard.last().endpoints[0].medium == domain.run() + "/domain-0/topic.topic");
  CHECK(heard.last().endpoints[0].qos.liveliness_lease == 300ms);

  talker.kill(SIGSTOP);
  REQUIRE(heard.hears(Kind::late));
  CHECK(heard.last().liveliness == Liveliness::late);
  CHECK_THAT(heard.last().late_because, Contains("stopped by a signal or a debugger"));
  REQUIRE(node.graph().processes.size() == 2);
  for (const ProcessInfo& process : node.graph().processes) {
    CHECK(process.liveliness == (process.pid == talker.pid() ? Liveliness::late : Liveliness::alive));
  }
  talker.kill(SIGCONT);
  REQUIRE(heard.hears(Kind::alive));
  CHECK(heard.last().liveliness == Liveliness::alive);

  SECTION("killed") {
    talker.kill(SIGKILL);
    REQUIRE(heard.hears(Kind::lost));
    CHECK(heard.last().liveliness == Liveliness::lost);
    talker.wait();
    // One of the living removes the record.
    CHECK(eventually([&] { return !std::filesystem::exists(heard.last().record); }));
  }
  SECTION("killed while it is stopped") {
    talker.kill(SIGSTOP);
    REQUIRE(heard.hears(Kind::late));
    talker.kill(SIGKILL);
    REQUIRE(heard.hears(Kind::lost));
  }
  SECTION("left") {
    talker.kill(SIGTERM);
    REQUIRE(heard.hears(Kind::left));
    CHECK(heard.last().liveliness == Liveliness::left);
    CHECK(talker.wait() == 0);
  }
  CHECK(node.graph().processes.size() == 1);
}

}  // namespace

TEST_CASE("a node hears of others: joined, late, alive again, lost, left") {
  const WatchedDomain domain(kLively);
  const Gate gate;
  ChildProcess talker = domain.talker(gate);
  check_life_of_a_process(domain, gate, talker);
}

TEST_CASE("the same without an inotify instance") {
  const WatchedDomain domain(kLively);
  const Gate gate;
  ChildProcess talker = domain.talker(gate);
  const NoInotify no_inotify;
  check_life_of_a_process(domain, gate, talker);
}

TEST_CASE("a node hears first of those who are there already") {
  const WatchedDomain domain;
  const Gate gate;
  ChildProcess talker = domain.talker(gate);
  gate.open();
  REQUIRE(eventually([&] {
    const auto graph = read_graph(domain.options.config.domain());
    return graph.processes.size() == 1 && graph.processes[0].endpoints.size() == 1;
  }));
  Node node("late", domain.options);
  Heard heard(node);
  REQUIRE(heard.hears(Kind::joined));
  CHECK(heard.last().nodes == std::vector<std::string>{"/talker"});
  CHECK(heard.last().endpoints.size() == 1);
}

TEST_CASE("a process that has left a child behind by fork is lost when it dies, not when the child does") {
  const WatchedDomain domain;
  const Gate gate;
  ChildProcess talker([&] {
    gate.wait();
    NodeOptions own = domain.options;
    Node node("talker", own);
    if (::fork() == 0) {
      ::pause();  // until its parent's parent is gone
      ::_exit(0);
    }
    node.spin();
    return 0;
  });
  Node node("listener", domain.options);
  Heard heard(node);
  gate.open();
  REQUIRE(heard.hears(Kind::joined));
  // The fork follows the joining at once; only then is the kill interesting.
  const std::string children =
      "/proc/" + std::to_string(talker.pid()) + "/task/" + std::to_string(talker.pid()) + "/children";
  std::string child;
  REQUIRE(eventually([&] { return static_cast<bool>(std::ifstream(children) >> child); }));
  talker.kill(SIGKILL);
  CHECK(heard.hears(Kind::lost));
  ::kill(std::stoi(child), SIGKILL);
}

TEST_CASE("what happens faster than it can be told is found by looking anew") {
  const WatchedDomain domain;
  const Gate gate;
  const Gate ready;
  const Gate seen;
  ChildProcess talker = domain.talker(gate);
  ChildProcess watcher([&] {
    Node node("watcher", domain.options);
    Heard heard(node);
    node.spin_for(10ms);
    ready.open();
    return heard.hears(Kind::joined) && heard.last().pid == talker.pid() ? 0 : 1;
  });
  ready.wait();
  watcher.kill(SIGSTOP);
  int limit = 0;
  REQUIRE(std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> limit);
  const std::string noise = domain.records() + "/noise";
  for (int i = 0; i < limit; ++i) {  // two events each, and no two equal ones in a row, which would be made one
    std::ofstream{noise};
    std::filesystem::permissions(noise, i % 2 == 0 ? std::filesystem::perms{0600} : std::filesystem::perms{0644});
  }
  std::filesystem::remove(noise);
  gate.open();
  REQUIRE(eventually([&] { return read_graph(domain.options.config.domain()).processes.size() == 2; }));
  watcher.kill(SIGCONT);
  CHECK(watcher.wait() == 0);
}

TEST_CASE("a hung callback makes its process late, and says which node it is") {
  const WatchedDomain domain(kLively);
  const Gate gate;
  const Gate release;
  ChildProcess talker([&] {
    gate.wait();
    Node other("other", domain.options);
    Node node("hung", domain.options);
    auto out = node.advertise_bytes("topic");
    bool hung = false;
    auto timer = node.every(50ms, [&] {
      if (!std::exchange(hung, true)) release.wait();
    });
    node.spin();
    return 0;
  });
  Node node("listener", domain.options);
  auto in = node.subscribe_bytes("topic", [](std::span<const std::byte>) {});
  Heard heard(node);
  gate.open();
  REQUIRE(heard.hears(Kind::late));
  CHECK_THAT(heard.last().late_because, Contains("a callback has been running for ") && Contains("(/hung)"));
  release.open();
  REQUIRE(heard.hears(Kind::alive));
}

TEST_CASE("a subscription is told of its publishers") {
  const WatchedDomain domain(kLively);
  const Gate gate;
  ChildProcess talker = domain.talker(gate);
  Node node("listener", domain.options);
  Node neighbour("neighbour", domain.options);
  const auto own = neighbour.advertise_bytes("topic");
  auto in = node.subscribe_bytes("topic", [](std::span<const std::byte>) {});
  std::vector<LivelinessEvent> events;
  in.on_liveliness([&](const LivelinessEvent& event) { events.push_back(event); });
  const auto hears = [&](const std::string& name, Liveliness liveliness, std::uint32_t alive, std::uint32_t late) {
    const std::size_t before = events.size();
    if (!eventually([&] {
          node.spin_for(5ms);
          return events.size() > before;
        })) {
      return false;
    }
    const LivelinessEvent& event = events.back();
    CHECK(event.topic == "/topic");
    CHECK(event.node == name);
    CHECK(event.liveliness == liveliness);
    CHECK(event.alive == alive);
    CHECK(event.late == late);
    return true;
  };
  REQUIRE(hears("/neighbour", Liveliness::alive, 1, 0));
  gate.open();
  REQUIRE(hears("/talker", Liveliness::alive, 2, 0));
  talker.kill(SIGSTOP);
  REQUIRE(hears("/talker", Liveliness::late, 1, 1));
  CHECK_THAT(events.back().because, Contains("stopped"));
  talker.kill(SIGCONT);
  REQUIRE(hears("/talker", Liveliness::alive, 2, 0));
  talker.kill(SIGKILL);
  REQUIRE(hears("/talker", Liveliness::lost, 1, 0));
  CHECK(events.back().pid == talker.pid());
}

TEST_CASE("a directory that is removed while it is in use is made anew with all that was in it") {
  const WatchedDomain domain(kLively);
  const Gate gate;
  ChildProcess talker = domain.talker(gate);
  Node node("node", domain.options);
  const auto out = node.advertise_bytes("topic");
  const auto in = node.subscribe_bytes("topic");
  std::filesystem::remove_all(domain.run());
  REQUIRE(eventually([&] {
    const auto graph = read_graph(domain.options.config.domain());
    return graph.processes.size() == 1 && graph.processes[0].endpoints.size() == 2;
  }));
  const auto again = node.advertise_bytes("other");
  CHECK(node.graph().processes[0].endpoints.size() == 3);
  // And it is watched again.
  Heard heard(node);
  gate.open();
  REQUIRE(heard.hears(Kind::joined));
  talker.kill(SIGKILL);
  CHECK(heard.hears(Kind::lost));
}

TEST_CASE("who does not listen any more is not called, also for what happened before") {
  const WatchedDomain domain("topics: {/topic: {deadline: 2ms}}");
  Node node("node", domain.options);
  auto out = node.advertise_bytes("topic");
  int calls = 0;
  {
    auto in = node.subscribe_bytes("topic", [](std::span<const std::byte>) {});
    in.on_liveliness([&](const LivelinessEvent&) { ++calls; });
    in.on_deadline_missed([&](const DeadlineEvent&) { ++calls; });
    REQUIRE(out.publish(std::as_bytes(std::span("x", 1))) == PublishResult::ok);
    node.spin_for(20ms);
    REQUIRE(eventually([&] {  // and more wait for the node to spin
      const auto endpoints = node.graph().processes[0].endpoints;
      return std::any_of(endpoints.begin(), endpoints.end(), [](auto& e) { return e.deadlines_missed > 20; });
    }));
    CHECK(calls > 0);
    calls = 0;
  }
  node.spin_for(20ms);
  CHECK(calls == 0);
}
