#include <catch2/catch.hpp>

#include <sluice/error.hpp>

#include "commands/top_screen.hpp"
#include "commands/top_table.hpp"

using namespace sluice;
using namespace sluice::commands;

namespace {

EndpointInfo counted_endpoint(EndpointKind kind, std::uint64_t messages) {
  EndpointInfo info;
  info.kind = kind;
  info.node = "/n";
  info.topic = "/t";
  info.messages = messages;
  info.bytes = messages * 10;
  return info;
}

TopLook look(std::int64_t ns, std::vector<EndpointInfo> endpoints, std::int64_t cpu_ns) {
  TopLook look;
  look.ns = ns;
  ProcessInfo process;
  process.pid = 7;
  process.record = "/7";
  process.endpoints = std::move(endpoints);
  look.graph.processes.push_back(process);
  look.usage["/7"] = {cpu_ns, 4096};
  return look;
}

constexpr auto kPublisher = EndpointKind::publisher;
constexpr auto kSubscription = EndpointKind::subscription;

}  // namespace

TEST_CASE("a frame is what two looks differ by") {
  EndpointInfo before = counted_endpoint(kSubscription, 90);
  before.latency.counts[0] = 5;
  EndpointInfo now = counted_endpoint(kSubscription, 290);
  now.latency.counts[0] = 5;
  now.latency.counts[20] = 100;
  now.lost = 3;
  now.queued = 2;
  const auto frame = compare(look(0, {counted_endpoint(kPublisher, 100), before}, 1'000'000'000),
                             look(2'000'000'000, {counted_endpoint(kPublisher, 300), now}, 1'500'000'000));
  REQUIRE(frame.topics.size() == 1);
  const TopTopic& topic = frame.topics.front();
  CHECK(topic.rate == Approx(100));
  CHECK(topic.bandwidth == Approx(1000));
  CHECK(*topic.median_ns > 64 * 1024);
  CHECK(*topic.median_ns < 64 * 2048);
  CHECK(topic.lost == 3);
  CHECK(topic.queued == 2);
  REQUIRE(frame.processes.size() == 1);
  CHECK(*frame.processes.front().cpu == Approx(25));
  CHECK(*frame.processes.front().memory == 4096);
}

TEST_CASE("an endpoint that was opened meanwhile counts from nothing, also in the place of another") {
  CHECK(compare(look(0, {counted_endpoint(kPublisher, 100)}, 0),
                look(1'000'000'000, {counted_endpoint(kPublisher, 40)}, 0))
            .topics.front()
            .rate == Approx(40));
  CHECK(compare(look(0, {}, 0), look(1'000'000'000, {counted_endpoint(kPublisher, 40)}, 0)).topics.front().rate ==
        Approx(40));
}

TEST_CASE("programs without Sluice are in the frame by what they write and as processes") {
  const auto foreign_look = [](std::int64_t ns, std::uint64_t written, std::uint64_t master_beats,
                               std::uint64_t slave_beats) {
    TopLook made = ::look(ns, {counted_endpoint(kPublisher, 0)}, 0);
    ForeignLook channel;
    channel.peers = {{11, "master", "master", "unknown", master_beats}, {12, "slave", "slave", "unknown", slave_beats}};
    channel.written = {{"master_to_slave", {written, 20}}, {"slave_to_master", {999 * written, 20}}};
    made.foreign.push_back({{"/c", "eshm", "/dev/shm/eshm_c", "master_to_slave"}, channel});
    ForeignLook ring;
    ring.peers = {{11, "master", "", "alive", 0}};
    ring.written = {{"elements", {5 * written, 8}}};
    made.foreign.push_back({{"/t", "slick", "/dev/shm/t", "elements"}, ring});
    made.foreign_usage[11] = {ns / 4, 4096};
    return made;
  };
  const TopFrame frame = compare(foreign_look(0, 100, 1, 7), foreign_look(1'000'000'000, 150, 2, 7));
  REQUIRE(frame.topics.size() == 2);
  CHECK(frame.topics[0].rate == Approx(250));  // "/t", of which the domain's own publisher has no part
  CHECK(frame.topics[0].bandwidth == Approx(2000));
  CHECK(frame.topics[1].name == "/c");
  CHECK(frame.topics[1].rate == Approx(50));
  CHECK(frame.topics[1].publishers == 0);
  REQUIRE(frame.processes.size() == 3);
  const TopProcess& master = frame.processes[1];
  CHECK(master.foreign);
  CHECK(master.nodes == std::vector<std::string>{"/c", "/t"});
  CHECK(*master.cpu == Approx(25));
  CHECK(master.liveliness == Liveliness::alive);
  CHECK(frame.processes[2].liveliness == Liveliness::late);  // its heartbeat stands
}

TEST_CASE("where only foreign programs publish, the busiest subscription tells the rate") {
  const auto frame =
      compare(look(0, {counted_endpoint(kSubscription, 0), counted_endpoint(kSubscription, 0)}, 0),
              look(1'000'000'000, {counted_endpoint(kSubscription, 50), counted_endpoint(kSubscription, 20)}, 0));
  CHECK(frame.topics.front().rate == Approx(50));
  CHECK(frame.topics.front().subscriptions == 2);
  CHECK(!frame.topics.front().median_ns);
}

TEST_CASE("numbers for a narrow column") {
  CHECK(compact(0) == "0");
  CHECK(compact(12.34) == "12.3");
  CHECK(compact(999) == "999");
  CHECK(compact(999.9) == "1.00k");
  CHECK(compact(45'600'000) == "45.6M");
  CHECK(compact_time(850) == "850ns");
  CHECK(compact_time(12'345) == "12.3us");
  CHECK(compact_time(1'200'000'000) == "1.20s");
}

TEST_CASE("a name cannot speak to the terminal") { CHECK(printable("a\x1b[2Jb\x7f") == "a?[2Jb?"); }

TEST_CASE("a screen has its size, whatever is on it") {
  TopFrame frame;
  for (int i = 0; i < 40; ++i) {
    TopProcess process;
    process.pid = i;
    process.name = "program";
    process.nodes = {"/a/rather/long/name/of/a/node", "/and/another/one"};
    frame.processes.push_back(process);
    TopTopic topic;
    topic.name = "/a/topic/with/a/name/that/is/longer/than/the/screen/is/wide/" + std::to_string(i);
    frame.topics.push_back(topic);
  }
  TopScreen screen("");
  for (const auto& [columns, rows] : {std::pair{80U, 24U}, {1U, 1U}, {20U, 2U}, {40U, 5U}, {200U, 100U}, {81U, 4U}}) {
    for (const Key key : {Key::down, Key::show, Key::page_down, Key::show, Key::sort, Key::show, Key::up}) {
      screen.press(key);
      const auto lines = screen.lines(frame, "title", {columns, rows}, false);
      CHECK(lines.size() == rows);
      for (const std::string& line : lines) CHECK(line.size() <= columns + (line.starts_with('\x1b') ? 8 : 0));
    }
  }
  CHECK_THROWS_AS(TopScreen("speed"), Error);
}
