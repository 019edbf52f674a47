#include <sluice/slick/untyped_queue.hpp>
#include <sluice/sluice.hpp>

#include <signal.h>

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <thread>

#include "support/child_process.hpp"
#include "unit/node/test_domain.hpp"

using namespace sluice;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using sluice::test::ChildProcess;
using sluice::test::eventually;
using sluice::test::TestDomain;

namespace demo {
struct Imu {
  std::uint64_t number;
  double accel[3];
};
struct Other {
  std::uint32_t number;
};
}  // namespace demo

namespace {

constexpr const char* kReliableImu = "topics: {/imu: {reliability: reliable, depth: 8, max_blocking_time: 20s}}";

}  // namespace

TEST_CASE("a node publishes to another one; the message carries its information") {
  const TestDomain domain;
  Node talker("talker", domain.options);
  Node listener("listener", domain.options);
  auto out = talker.advertise<demo::Imu>("imu");
  std::vector<std::uint64_t> numbers;
  auto in = listener.subscribe<demo::Imu>("/imu", [&](const demo::Imu& imu, const MessageInfo& info) {
    CHECK(info.sequence == imu.number);
    CHECK(info.publisher == 1);
    CHECK(info.published_ns > 0);
    CHECK(info.published_ns <= shm::monotonic_ns());
    numbers.push_back(imu.number);
    if (numbers.size() == 3) listener.shutdown();
  });
  CHECK(out.wait_for_subscribers(1, 0s));
  CHECK(in.wait_for_publishers(1, 0s));
  auto loan = out.loan();
  REQUIRE(loan);
  loan->number = 0;
  CHECK(out.publish(std::move(loan)) == PublishResult::ok);
  { auto dropped = out.loan(); }
  CHECK(out.publish({1, {}}) == PublishResult::ok);
  CHECK(out.publish({2, {}}) == PublishResult::ok);
  CHECK_FALSE(listener.spin_for(20s));
  CHECK(numbers == std::vector<std::uint64_t>{0, 1, 2});
  CHECK(in.stats().received == 3);
  CHECK(in.stats().queued == 0);
}

TEST_CASE("names are resolved: namespaces, private names, remapping") {
  const TestDomain domain;
  NodeOptions options = domain.options;
  options.ns = "robot";
  options.remaps = {parse_remap("out:=/elsewhere/out")};
  Node node("talker", options);
  CHECK(node.fully_qualified_name() == "/robot/talker");
  CHECK(node.advertise<demo::Imu>("imu").topic() == "/robot/imu");
  CHECK(node.advertise<demo::Imu>("~/imu").topic() == "/robot/talker/imu");
  CHECK(node.advertise<demo::Imu>("out").topic() == "/elsewhere/out");
  CHECK_THROWS_WITH(node.advertise<demo::Imu>("a//b"), Contains("a//b"));
}

TEST_CASE("types that differ are refused with both names") {
  const TestDomain domain;
  Node node("talker", domain.options);
  const auto out = node.advertise<demo::Imu>("imu");
  CHECK_THROWS_WITH(node.subscribe<demo::Other>("imu"),
                    Contains("topic '/imu': type is 'demo/Other' here, but the topic was opened with 'demo/Imu' by"));
  CHECK_NOTHROW(node.subscribe_bytes("imu"));
}

TEST_CASE("the first who knows the type declares it, also when bytes without a type were there before") {
  const TestDomain domain;
  Node node("talker", domain.options);
  const auto bytes = node.subscribe_bytes("imu");
  const auto out = node.advertise_bytes("imu", "demo/Imu");
  CHECK_THROWS_WITH(node.advertise_bytes("imu", "demo/Other"), Contains("type is 'demo/Other' here, but the topic was "
                                                                        "opened with 'demo/Imu'"));
}

TEST_CASE("a type that contradicts the configuration is refused with the place") {
  const TestDomain domain("topics: {/imu: {type: demo/Camera}}");
  Node node("talker", domain.options);
  CHECK_THROWS_WITH(node.advertise<demo::Imu>("imu"),
                    "test.yaml:2:23: topic '/imu': type is 'demo/Camera' in the configuration, but node '/talker' uses "
                    "'demo/Imu'; change one of them");
}

TEST_CASE("polling: take, and take_for with a bound") {
  const TestDomain domain(kReliableImu);
  Node node("node", domain.options);
  auto out = node.advertise<demo::Imu>("imu");
  auto in = node.subscribe<demo::Imu>("imu");
  CHECK_FALSE(in.take());
  CHECK_FALSE(in.take_for(2ms));
  std::thread later([&] {
    std::this_thread::sleep_for(5ms);
    out.publish({7, {}});
  });
  const auto message = in.take_for(20s);
  later.join();
  REQUIRE(message);
  CHECK((*message)->number == 7);
  CHECK(message->valid());
}

TEST_CASE("bytes of any size, up to max_size") {
  const TestDomain domain("topics: {/blob: {max_size: 100B}}");
  Node node("node", domain.options);
  auto out = node.advertise_bytes("blob");
  auto in = node.subscribe_bytes("blob");
  CHECK(out.publish(std::vector<std::byte>(101)) == PublishResult::too_large);
  CHECK_FALSE(out.loan(101));
  CHECK(out.publish(std::span<const std::byte>{}) == PublishResult::ok);
  auto loan = out.loan(100);
  REQUIRE(loan);
  loan.bytes()[0] = std::byte{42};
  CHECK(out.publish(std::move(loan), 1) == PublishResult::ok);
  REQUIRE(in.take()->bytes().empty());
  const auto message = in.take();
  REQUIRE(message);
  REQUIRE(message->bytes().size() == 1);
  CHECK(message->bytes()[0] == std::byte{42});
}

TEST_CASE("timers keep their rhythm and can be cancelled") {
  const TestDomain domain;
  Node node("node", domain.options);
  int calls = 0;
  int other = 0;
  Timer cancelled = node.every(1ms, [&] { ++other; });
  node.every(1ms, [&] {
    if (++calls == 3) cancelled.cancel();
    if (calls == 20) node.shutdown();
  });
  CHECK_FALSE(node.spin_for(20s));
  CHECK(calls == 20);
  CHECK(other < 20);
}

TEST_CASE("one executor runs several nodes; a node belongs to one") {
  const TestDomain domain;
  Node a("a", domain.options);
  Node b("b", domain.options);
  Executor executor;
  executor.add(a);
  executor.add(b);
  CHECK_THROWS_WITH(a.spin(), Contains("belongs to another executor"));
  Executor stranger;
  stranger.remove(a);  // not its node: a still belongs to the other one
  CHECK_THROWS_WITH(stranger.add(a), Contains("belongs to another executor"));
  auto ping = a.advertise<demo::Other>("ping");
  auto pong = b.advertise<demo::Other>("pong");
  std::uint32_t last = 0;
  auto at_b = b.subscribe<demo::Other>("ping", [&](const demo::Other& m) { pong.publish({m.number + 1}); });
  auto at_a = a.subscribe<demo::Other>("pong", [&](const demo::Other& m) {
    last = m.number;
    if (m.number >= 100) return executor.shutdown();
    ping.publish({m.number + 1});
  });
  ping.publish({1});
  CHECK_FALSE(executor.spin_for(20s));
  CHECK(last == 100);
}

TEST_CASE("a node hears in its own thread that a reliable topic is reliable no more, and its log says why") {
  const std::string segment = "sluice-test-" + std::to_string(::getpid()) + "-event";
  const TestDomain domain("topics: {/ticks: {segment: /" + segment +
                          ", element: 8B, depth: 8, reliability: reliable}}");
  Node node("listener", domain.options);
  std::uint64_t received = 0;
  auto in = node.subscribe_bytes("/ticks", [&](std::span<const std::byte>) { ++received; });
  std::vector<TransportEvent> events;
  std::thread::id thread;
  node.on_event([&](const TransportEvent& event) {
    events.push_back(event);
    thread = std::this_thread::get_id();
    node.shutdown();
  });
  std::thread foreign([&] {
    slick::UntypedQueue queue(segment, 8);
    for (int i = 0; i < 3; ++i) (void)queue.publish(queue.reserve());
  });
  (void)node.spin_for(30s);
  foreign.join();
  ::unlink(("/dev/shm/" + segment).c_str());
  REQUIRE(events.size() == 1);
  CHECK(events[0].kind == TransportEvent::Kind::reliability_lost);
  CHECK(events[0].topic == "/ticks");
  CHECK_THAT(events[0].message, Contains("stop it and restart the nodes"));
  CHECK(thread == std::this_thread::get_id());
  CHECK(received >= 1);
}

TEST_CASE("a callback's exception leaves spin, and the message is given back") {
  const TestDomain domain(kReliableImu);
  Node node("node", domain.options);
  auto out = node.advertise<demo::Imu>("imu");
  auto in = node.subscribe<demo::Imu>("imu", [](const demo::Imu&) { throw std::runtime_error("from the callback"); });
  for (int i = 0; i < 20; ++i) {
    REQUIRE(out.publish({}) == PublishResult::ok);
    CHECK_THROWS_WITH(node.spin_for(20s), "from the callback");
  }
}

TEST_CASE("a subscription dropped inside its own callback ends quietly") {
  const TestDomain domain;
  Node node("node", domain.options);
  auto out = node.advertise<demo::Other>("x");
  std::optional<Subscription<demo::Other>> in;
  int calls = 0;
  in.emplace(node.subscribe<demo::Other>("x", [&](const demo::Other&) {
    ++calls;
    in.reset();
    node.shutdown();
  }));
  out.publish({1});
  out.publish({2});
  CHECK_FALSE(node.spin_for(20s));
  CHECK(calls == 1);
}

TEST_CASE("after a fork the parent's publisher is refused in the child and the parent's presence survives it") {
  const TestDomain domain;
  auto node = std::make_unique<Node>("node", domain.options);
  auto out = node->advertise<demo::Other>("x");
  ChildProcess child([&] {
    try {
      out.publish({1});
    } catch (const Error& error) {
      return std::string(error.what()).find("opened before fork()") == std::string::npos ? 1 : 0;
    }
    return 2;
  });
  CHECK(child.wait() == 0);
  CHECK(out.publish({1}) == PublishResult::ok);
  CHECK(read_graph(domain.options.config.domain()).processes.size() == 1);
}

TEST_CASE("the graph shows living processes, and what dead ones left is reclaimed by the next one") {
  const TestDomain domain(kReliableImu);
  const auto graph = [&] { return read_graph(domain.options.config.domain()); };
  CHECK(graph().processes.empty());
  {
    ChildProcess child([&] {
      Node node("victim", domain.options);
      auto out = node.advertise<demo::Imu>("imu");
      node.spin();
      return 0;
    });
    REQUIRE(eventually([&] { return graph().processes.size() == 1 && graph().processes[0].endpoints.size() == 1; }));
    const ProcessInfo process = graph().processes[0];
    CHECK(process.pid == child.pid());
    CHECK(process.nodes == std::vector<std::string>{"/victim"});
    CHECK(process.endpoints[0].topic == "/imu");
    CHECK(process.endpoints[0].type == "demo/Imu");
    CHECK(process.endpoints[0].node == "/victim");
    CHECK(process.endpoints[0].qos.reliability == Reliability::reliable);
    child.kill(SIGKILL);
    child.wait();
  }
  CHECK(graph().processes.empty());
  CHECK(std::filesystem::exists(domain.run() + "/domain-0/imu.topic"));
  {
    Node next("next", domain.options);
    CHECK_FALSE(std::filesystem::exists(domain.run() + "/domain-0/imu.topic"));
    CHECK(graph().processes.size() == 1);
  }
  CHECK_FALSE(std::filesystem::exists(domain.run()));  // the last one out leaves nothing
}

TEST_CASE("SIGTERM ends spin and the process leaves nothing behind") {
  const TestDomain domain;
  ChildProcess child([&] {
    Node node("node", domain.options);
    auto in = node.subscribe<demo::Other>("x", [](const demo::Other&) {});
    node.spin();
    return signal_received() ? 0 : 1;
  });
  // The executor bumps progress when it runs, so it has installed its handlers.
  REQUIRE(eventually([&] {
    const auto graph = read_graph(domain.options.config.domain());
    return graph.processes.size() == 1 && graph.processes[0].progress > 0;
  }));
  child.kill(SIGTERM);
  CHECK(child.wait() == 0);
  CHECK_FALSE(std::filesystem::exists(domain.run()));
}

TEST_CASE("garbage in place of a process record is reported and harms nobody") {
  const TestDomain domain;
  Node node("node", domain.options);
  const std::string directory = domain.options.config.domain().directory() + "/processes";
  const std::string junk = directory + "/1-1.process";
  std::string reason;
  SECTION("empty") {
    std::ofstream{junk};
    reason = "has 0 bytes";
  }
  SECTION("garbage") {
    std::ofstream(junk) << std::string(1 << 20, 'x');
    reason = "is not a Sluice file";
  }
  SECTION("truncated") {
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      if (entry.path().extension() == ".process") std::filesystem::copy_file(entry.path(), directory + "/copy");
    }
    std::filesystem::resize_file(directory + "/copy", 5000);
    std::filesystem::rename(directory + "/copy", junk);
    reason = "has 5000 bytes, but its header says";
  }
  SECTION("a directory") {
    std::filesystem::create_directory(junk);
    reason = "is not a regular file";
  }
  const GraphSnapshot graph = read_graph(domain.options.config.domain());
  CHECK(graph.processes.size() == 1);
  REQUIRE(graph.problems.size() == 1);
  CHECK_THAT(graph.problems[0], Contains(reason));
  CHECK_NOTHROW(remove_leftovers(domain.options.config));
  std::filesystem::remove_all(junk);
}

TEST_CASE("options come from the command line") {
  const char* arguments[] = {"program", "--ns",      "robot", "--name=other", "--remap", "a:=b",
                             "--param", "rate:=2.5", "mine",  "--",           "--ns"};
  const NodeOptions options = NodeOptions::from_args(11, arguments);
  CHECK(options.ns == "robot");
  CHECK(options.name == "other");
  CHECK(options.remaps.size() == 1);
  CHECK(options.parameters.at("rate") == "2.5");
  CHECK(options.arguments == std::vector<std::string>{"mine", "--ns"});
  const char* missing[] = {"program", "--config"};
  CHECK_THROWS_WITH(NodeOptions::from_args(2, missing), "option --config needs a value");
  const char* bad[] = {"program", "--param", "rate"};
  CHECK_THROWS_WITH(NodeOptions::from_args(3, bad), "--param 'rate' must read NAME:=VALUE");
}

TEST_CASE("parameters have types") {
  const TestDomain domain;
  NodeOptions options = domain.options;
  options.parameters = {{"rate", "2.5"}, {"on", "true"}, {"word", "two words"}, {"bad", "12x"}};
  Node node("node", options);
  CHECK(node.parameter("rate", 1.0) == 2.5);
  CHECK(node.parameter("on", false));
  CHECK(node.parameter<std::string>("word", "") == "two words");
  CHECK(node.parameter("absent", 7) == 7);
  CHECK_THROWS_WITH(node.parameter("bad", 1),
                    "node '/node': parameter 'bad' has the value '12x', which is not of its type");
}
