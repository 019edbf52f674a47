#include <sluice/sluice.hpp>

#include <catch2/catch.hpp>

#include <mutex>

#include "support/child_process.hpp"
#include "support/temporary_directory.hpp"

using namespace sluice;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using sluice::test::eventually;
using sluice::test::TemporaryDirectory;

namespace {

EndpointInfo endpoint(EndpointKind kind) {
  EndpointInfo info;
  info.kind = kind;
  info.node = kind == EndpointKind::publisher ? "/p" : "/s";
  info.topic = "/topic";
  info.type = "demo/Imu";
  info.type_size = 48;
  info.layout_hash = 7;
  info.transport = "slick";
  info.medium = "/dev/shm/x.topic";
  return info;
}

NodeOptions options_in(const TemporaryDirectory& directory, const std::string& topic) {
  NodeOptions options;
  options.config =
      Config::parse("runtime_dir: " + directory.path() + "/run\ntopics: {/topic: " + topic + "}", "test.yaml");
  return options;
}

/// What a node was told, as long as it spins.
std::vector<TransportEvent> events_of(Node& node, std::size_t count) {
  std::vector<TransportEvent> events;
  node.on_event([&](const TransportEvent& event) { events.push_back(event); });
  CHECK(eventually([&] {
    node.spin_for(5ms);
    return events.size() >= count;
  }));
  node.on_event({});
  return events;
}

}  // namespace

TEST_CASE("two endpoints fit together, or a sentence says what differs, with both values") {
  EndpointInfo publisher = endpoint(EndpointKind::publisher);
  EndpointInfo subscription = endpoint(EndpointKind::subscription);
  std::string expected;
  bool data_flows = false;
  SECTION("equal") {}
  SECTION("bytes without a type go with every type") {
    publisher.type = "";
    publisher.type_size = publisher.layout_hash = 0;
  }
  SECTION("transport") {
    subscription.transport = "inproc";
    expected =
        "the transport is 'slick' at publisher /p, and 'inproc' at subscription /s; give both the same configuration";
  }
  SECTION("file") {
    publisher.medium = "/dev/shm/ticks";
    expected =
        "the file that carries the topic is '/dev/shm/ticks' at publisher /p, and '/dev/shm/x.topic' at "
        "subscription /s; give both the same configuration";
  }
  SECTION("type") {
    subscription.type = "demo/Pose";
    expected =
        "the type is 'demo/Imu' at publisher /p, and 'demo/Pose' at subscription /s; change one of them, or "
        "rename one of the topics";
  }
  SECTION("size") {
    subscription.type_size = 56;
    expected =
        "the size of the type is 48 bytes at publisher /p, and 56 bytes at subscription /s; build both with the "
        "same definition";
  }
  SECTION("layout") {
    subscription.layout_hash = 8;
    expected =
        "the layout of the type is 7 at publisher /p, and 8 at subscription /s; build both with the same "
        "definition";
  }
  SECTION("deadline that is offered longer than it is asked for") {
    publisher.qos.deadline = 2s;
    subscription.qos.deadline = 1s;
    expected =
        "deadline is 2s at publisher /p, and 1s at subscription /s; give both the same configuration, or raise "
        "it at the subscription";
    data_flows = true;
  }
  SECTION("deadline that is not offered") {
    subscription.qos.deadline = 1s;
    expected =
        "deadline is none at publisher /p, and 1s at subscription /s; give both the same configuration, or "
        "raise it at the subscription";
    data_flows = true;
  }
  SECTION("deadline that nobody asks for") { publisher.qos.deadline = 2s; }
  SECTION("liveliness") {
    publisher.qos.liveliness_lease = 3s;
    subscription.qos.liveliness_lease = 100ms;
    expected =
        "liveliness is 3s at publisher /p, and 100ms at subscription /s; give both the same configuration, or "
        "raise it at the subscription";
    data_flows = true;
  }
  const auto found = mismatch(publisher, subscription);
  REQUIRE(found.has_value() == !expected.empty());
  if (!found) return;
  CHECK(found->sentence == expected);
  CHECK(found->data_flows == data_flows);
}

TEST_CASE("both sides hear of what does not fit, once") {
  const TemporaryDirectory directory;
  Node talker("talker", options_in(directory, "{deadline: 2s}"));
  Node listener("listener", options_in(directory, "{deadline: 1s}"));
  const auto out = talker.advertise_bytes("topic");
  const auto in = listener.subscribe_bytes("topic", [](std::span<const std::byte>) {});
  const auto at_talker = events_of(talker, 1);
  REQUIRE(at_talker.size() == 1);
  CHECK(at_talker[0].kind == TransportEvent::Kind::incompatible);
  CHECK(at_talker[0].topic == "/topic");
  CHECK_THAT(at_talker[0].message, Contains("subscription /listener (") && Contains("deadline is 2s at publisher "
                                                                                    "/talker, and 1s at"));
}

TEST_CASE("who could not join is seen by those who did, with the reason") {
  const TemporaryDirectory directory;
  const sluice::test::ChildProcess stranger([&] {
    const auto options = options_in(directory, "{type: demo/Pose}");
    // Not before the other one has the topic.
    if (!eventually([&] {
          const auto graph = read_graph(options.config.domain());
          return !graph.processes.empty() && !graph.processes[0].endpoints.empty();
        })) {
      return 2;
    }
    Node node("stranger", options);
    try {
      (void)node.subscribe_bytes("topic");
    } catch (const Error&) {
      return 0;
    }
    return 1;
  });
  Node talker("talker", options_in(directory, "{type: demo/Imu}"));
  const auto out = talker.advertise_bytes("topic");
  const auto events = events_of(talker, 1);
  REQUIRE(events.size() == 1);
  CHECK(events[0].kind == TransportEvent::Kind::incompatible);
  CHECK_THAT(events[0].message, Contains("subscription /stranger (") && Contains("could not join") &&
                                    Contains("'demo/Pose'") && Contains("'demo/Imu'"));
}

TEST_CASE("a deadline that passes is told to both sides, from the first message on") {
  const TemporaryDirectory directory;
  Node node("node", options_in(directory, "{deadline: 30ms}"));
  auto out = node.advertise_bytes("topic");
  auto in = node.subscribe_bytes("topic", [](std::span<const std::byte>) {});
  std::vector<std::uint64_t> offered;
  std::vector<std::uint64_t> asked;
  out.on_deadline_missed([&](const DeadlineEvent& event) {
    CHECK(event.topic == "/topic");
    CHECK(event.deadline == 30ms);
    offered.push_back(event.total);
  });
  in.on_deadline_missed([&](const DeadlineEvent& event) { asked.push_back(event.total); });
  node.spin_for(100ms);
  CHECK(offered.empty());
  CHECK(asked.empty());
  REQUIRE(out.publish(std::as_bytes(std::span("x", 1))) == PublishResult::ok);
  REQUIRE(eventually([&] {
    node.spin_for(5ms);
    return offered.size() >= 3 && asked.size() >= 3;
  }));
  for (std::uint64_t i = 0; i < 3; ++i) {
    CHECK(offered[i] == i + 1);
    CHECK(asked[i] == i + 1);
  }
  const ProcessInfo process = node.graph().processes[0];
  for (const EndpointInfo& endpoint : process.endpoints) CHECK(endpoint.deadlines_missed >= 3);
}

TEST_CASE("a topic without a deadline has none that could be missed") {
  const TemporaryDirectory directory;
  Node node("node", options_in(directory, "{depth: 4}"));
  auto out = node.advertise_bytes("topic");
  CHECK_THROWS_WITH(out.on_deadline_missed([](const DeadlineEvent&) {}),
                    "topic '/topic' has no deadline that could be missed; set 'deadline' in its YAML");
}
