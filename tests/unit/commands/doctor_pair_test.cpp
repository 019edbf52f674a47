#include "commands/doctor_topic.hpp"

#include <catch2/catch.hpp>

using namespace sluice;
using namespace sluice::commands;

namespace {

TopicEndpoint endpoint(EndpointKind kind, std::int64_t pid) {
  TopicEndpoint endpoint;
  endpoint.info.kind = kind;
  endpoint.info.node = kind == EndpointKind::publisher ? "/p" : "/s";
  endpoint.info.topic = "/t";
  endpoint.info.transport = "slick";
  endpoint.info.medium = "/dev/shm/x.topic";
  endpoint.info.qos.depth = 4;
  endpoint.info.messages = 10;
  endpoint.process.pid = pid;
  endpoint.process.executable = "program";
  endpoint.process.record = std::to_string(pid);
  endpoint.process.pid_namespace = 1;
  endpoint.time_namespace = 1;
  return endpoint;
}

}  // namespace

TEST_CASE("what two endpoints say of themselves is judged") {
  TopicFacts facts;
  TopicEndpoint publisher = endpoint(EndpointKind::publisher, 1);
  TopicEndpoint subscription = endpoint(EndpointKind::subscription, 2);
  std::string cause = "flows";
  std::string sentence;
  SECTION("all is well") {}
  SECTION("a full subscription makes a reliable publisher give up") {
    publisher.info.timeouts = 3;
    subscription.info.queued = 4;
    cause = "subscription_full";
    sentence = "3 publications timed out: the subscription has 4 messages unread, and depth is 4";
  }
  SECTION("one that has taken nothing does, too") {
    publisher.info.timeouts = 3;
    subscription.info.messages = 0;
    cause = "subscription_full";
    sentence = "3 publications timed out after 10 messages that the subscription did not take, and depth is 4";
  }
  SECTION("one that has caught up") {
    publisher.info.timeouts = 3;
    subscription.info.queued = 1;
    cause = "publisher_timed_out";
    sentence = "3 publications timed out for want of room; this subscription has 1 messages unread now, and depth is 4";
  }
  SECTION("missed deadlines") {
    subscription.info.deadlines_missed = 2;
    cause = "deadline_missed";
    sentence = "for the subscription 2 deadlines passed without a message";
  }
  SECTION("namespaces of PIDs") {
    subscription.process.pid_namespace = 2;
    cause = "pid_namespaces_differ";
    sentence = "the two are in different PID namespaces, where the same number means different processes";
  }
  SECTION("clocks") {
    subscription.time_namespace = 2;
    cause = "clocks_differ";
    sentence = "the two are in different time namespaces: latencies between them mean nothing";
  }
  SECTION("the layout of the type") {
    publisher.info.layout_hash = 7;
    subscription.info.layout_hash = 8;
    cause = "layout_differs";
    sentence = "the layout of the type is 7 at publisher /p, and 8 at subscription /s";
  }
  const auto findings = diagnose_pair(facts, publisher, subscription);
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].cause == cause);
  CHECK(findings[0].sentence == sentence);
  CHECK(findings[0].between == "/p (process 1) -> /s (process 2)");
}

TEST_CASE("only the first reason why no data flows is named, and nothing beside it") {
  TopicFacts facts;
  TopicEndpoint publisher = endpoint(EndpointKind::publisher, 1);
  TopicEndpoint subscription = endpoint(EndpointKind::subscription, 2);
  subscription.info.lost = 5;
  publisher.info.timeouts = 5;
  subscription.info.transport = "eshm";
  publisher.process.liveliness = Liveliness::late;
  const auto findings = diagnose_pair(facts, publisher, subscription);
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].cause == "transport_differs");
  CHECK(findings[0].severity == Severity::blocked);
}

TEST_CASE("files that were removed are one if they may be") {
  TopicFacts facts;
  TopicEndpoint publisher = endpoint(EndpointKind::publisher, 1);
  TopicEndpoint subscription = endpoint(EndpointKind::subscription, 2);
  publisher.mapped = MappedFile{false, {5, 6}};
  SECTION("the same") {
    subscription.mapped = MappedFile{false, {6}};
    CHECK(diagnose_pair(facts, publisher, subscription)[0].cause == "file_removed");
  }
  SECTION("another") {
    subscription.mapped = MappedFile{false, {7}};
    CHECK(diagnose_pair(facts, publisher, subscription)[0].cause == "file_replaced");
  }
  SECTION("the one that has the name now") {
    subscription.mapped = MappedFile{true, {}};
    CHECK(diagnose_pair(facts, publisher, subscription)[0].cause == "file_replaced");
  }
  SECTION("not known") { CHECK(diagnose_pair(facts, publisher, subscription)[0].cause == "flows"); }
}
