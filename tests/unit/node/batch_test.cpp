#include <sluice/sluice.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <numeric>
#include <thread>

#include "support/child_process.hpp"
#include "unit/node/test_domain.hpp"

using namespace sluice;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using sluice::test::ChildProcess;
using sluice::test::TestDomain;

namespace demo {
struct Sample {
  std::uint64_t number;
};
}  // namespace demo

using demo::Sample;

namespace {

/// See plugins/scripted.cpp.
const std::string kScripted =
    "plugin_path: [" SLUICE_SCRIPTED_PLUGIN "]\ntopics: {/x: {transport: scripted, max_size: 8B}}";

constexpr const char* kReliable = "topics: {/x: {reliability: reliable, depth: 256, max_blocking_time: 0ms}}";

std::vector<Sample> numbered(std::uint64_t first, std::size_t count) {
  std::vector<Sample> samples(count);
  for (std::size_t i = 0; i < count; ++i) samples[i].number = first + i;
  return samples;
}

std::span<const std::byte> bytes_of(const Sample& sample) { return std::as_bytes(std::span(&sample, 1)); }

EndpointInfo endpoint(const TestDomain& domain, EndpointKind kind) {
  const GraphSnapshot graph = read_graph(domain.options.config.domain());
  for (const EndpointInfo& info : graph.processes.at(0).endpoints) {
    if (info.kind == kind) return info;
  }
  throw std::runtime_error("no such endpoint");
}

}  // namespace

TEST_CASE("a batch is published and taken: in order, with one time, and as many as there is room for") {
  const TestDomain domain(kReliable);
  Node node("node", domain.options);
  auto out = node.advertise<Sample>("x");
  auto in = node.subscribe<Sample>("x");
  std::vector<Sample> taken(256);
  std::vector<MessageInfo> infos(taken.size());
  CHECK(in.take_batch(taken) == 0);
  CHECK(out.publish_batch({}).sent == 0);
  for (const std::size_t count : {1U, 2U, 63U, 64U, 65U, 200U}) {
    const auto sent = numbered(out.stats().published, count);
    const BatchResult batch = out.publish_batch(sent);
    CHECK(batch.result == PublishResult::ok);
    CHECK(batch.sent == count);
    const std::size_t half = (count + 1) / 2;
    REQUIRE(in.take_batch(std::span(taken).first(half), infos) == half);
    REQUIRE(in.take_batch(std::span(taken).subspan(half), std::span(infos).subspan(half)) == count - half);
    for (std::size_t i = 0; i < count; ++i) {
      CHECK(taken[i].number == sent[i].number);
      CHECK(infos[i].sequence == sent[i].number);
      CHECK(infos[i].published_ns == infos[0].published_ns);
      CHECK(infos[i].lost == 0);
    }
    CHECK(infos[0].published_ns > 0);
  }
  CHECK(in.stats().received == out.stats().published);
  CHECK(in.stats().queued == 0);
}

TEST_CASE("batches and single messages mix, and there may be fewer infos than messages") {
  const TestDomain domain(kReliable);
  Node node("node", domain.options);
  auto out = node.advertise<Sample>("x");
  auto in = node.subscribe<Sample>("x");
  REQUIRE(out.publish({0}) == PublishResult::ok);
  REQUIRE(out.publish_batch(numbered(1, 4)).sent == 4);
  REQUIRE(out.publish({5}) == PublishResult::ok);
  CHECK((*in.take())->number == 0);
  std::array<Sample, 4> taken{};
  std::array<MessageInfo, 2> infos{};
  REQUIRE(in.take_batch(taken, infos) == 4);
  CHECK(infos[1].sequence == 2);
  CHECK(taken[3].number == 4);
  CHECK((*in.take())->number == 5);
}

TEST_CASE("a batch that finds no room says how many were sent, and both sides' statistics know") {
  const TestDomain domain("topics: {/x: {reliability: reliable, depth: 4, max_blocking_time: 0ms}}");
  Node node("node", domain.options);
  auto out = node.advertise<Sample>("x");
  auto in = node.subscribe<Sample>("x");
  const BatchResult batch = out.publish_batch(numbered(0, 100));
  CHECK(batch.result == PublishResult::timeout);
  CHECK(batch.sent == 4);
  CHECK(endpoint(domain, EndpointKind::publisher).messages == 4);
  CHECK(endpoint(domain, EndpointKind::publisher).bytes == 4 * sizeof(Sample));
  CHECK(endpoint(domain, EndpointKind::publisher).timeouts == 1);
  std::array<Sample, 10> taken{};
  CHECK(in.take_batch(taken) == 4);
  CHECK(taken[3].number == 3);
  CHECK(endpoint(domain, EndpointKind::subscription).messages == 4);
  CHECK(endpoint(domain, EndpointKind::subscription).bytes == 4 * sizeof(Sample));
  CHECK(out.publish_batch(numbered(4, 4)).sent == 4);  // they were given back at once
}

TEST_CASE("what a batch lost on a best_effort topic is told with the message behind it") {
  const TestDomain domain("topics: {/x: {reliability: best_effort, depth: 8}}");
  Node node("node", domain.options);
  auto out = node.advertise<Sample>("x");
  auto in = node.subscribe<Sample>("x");
  REQUIRE(out.publish_batch(numbered(0, 1000)).sent == 1000);
  std::vector<Sample> taken(1000);
  std::vector<MessageInfo> infos(taken.size());
  const std::size_t count = in.take_batch(taken, infos);
  REQUIRE(count >= 8);
  CHECK(taken[count - 1].number == 999);
  CHECK(infos[0].lost == taken[0].number);
  std::uint64_t lost = 0;
  for (const MessageInfo& info : std::span(infos).first(count)) lost += info.lost;
  CHECK(lost + count == 1000);
  CHECK(in.stats().lost == lost);
}

TEST_CASE("take_batch_for waits for the first message, and no longer than it was told") {
  const TestDomain domain(kReliable);
  Node node("node", domain.options);
  auto out = node.advertise<Sample>("x");
  auto in = node.subscribe<Sample>("x");
  auto bytes = node.subscribe_bytes("x");
  std::array<Sample, 8> taken{};
  CHECK(in.take_batch_for(taken, 2ms) == 0);
  CHECK(in.take_batch_for(std::span<Sample>{}, 1000s) == 0);
  CHECK(bytes.take_batch_for(2ms).empty());
  CHECK(bytes.take_batch_for(1000s, 0).empty());
  const auto publish_later = [&] {
    return std::thread([&] {
      std::this_thread::sleep_for(5ms);
      out.publish_batch(numbered(7, 3));
    });
  };
  std::thread later = publish_later();
  std::size_t count = in.take_batch_for(taken, 60s);
  later.join();
  REQUIRE(count > 0);
  CHECK(taken[0].number == 7);
  if (count < 3) count += in.take_batch(std::span(taken).subspan(count));
  CHECK(count == 3);
  CHECK(bytes.take_batch_for(60s).size() == 3);
  later = publish_later();
  const BytesBatch batch = bytes.take_batch_for(60s);
  later.join();
  REQUIRE_FALSE(batch.empty());
  CHECK(batch[0].info().sequence == 3);
}

TEST_CASE("bytes are taken together without a copy, and go back together") {
  const TestDomain domain("topics: {/x: {reliability: reliable, depth: 4, max_blocking_time: 0ms}}");
  Node node("node", domain.options);
  auto out = node.advertise_bytes("x");
  auto in = node.subscribe_bytes("x");
  const std::array<std::byte, 3> bytes{std::byte{1}, std::byte{2}, std::byte{3}};
  const std::array<std::span<const std::byte>, 4> payloads{std::span(bytes).first(3), std::span(bytes).first(0),
                                                           std::span(bytes).first(2), std::span(bytes).first(1)};
  REQUIRE(out.publish_batch(payloads).sent == 4);
  {
    BytesBatch batch = in.take_batch();
    REQUIRE(batch.size() == 4);
    std::vector<std::size_t> sizes;
    for (const auto message : batch) {
      sizes.push_back(message.bytes().size());
      CHECK(message.valid());
      CHECK(message.info().sequence + 1 == sizes.size());
    }
    CHECK(sizes == std::vector<std::size_t>{3, 0, 2, 1});
    CHECK(batch[2].bytes()[1] == std::byte{2});
    BytesBatch moved = std::move(batch);
    CHECK(moved.size() == 4);
    CHECK(batch.empty());  // NOLINT(bugprone-use-after-move): it is what is promised
    CHECK(out.publish(std::span<const std::byte>(bytes)) == PublishResult::timeout);
    batch = std::move(moved);
    CHECK(out.publish(std::span<const std::byte>(bytes)) == PublishResult::timeout);
    CHECK(batch[0].bytes().size() == 3);
    CHECK(in.take_batch().empty());
  }
  CHECK(out.publish_batch(payloads).sent == 4);
  CHECK(in.take_batch(3).size() == 3);
  BytesBatch last = in.take_batch();
  CHECK(last.size() == 1);
  last.clear();
  CHECK(last.empty());
  CHECK(out.publish_batch(payloads).sent == 4);
}

TEST_CASE("a batch outlives its subscription") {
  const TestDomain domain(kReliable);
  Node node("node", domain.options);
  auto out = node.advertise<Sample>("x");
  std::optional<BytesSubscription> in = node.subscribe_bytes("x");
  REQUIRE(out.publish_batch(numbered(5, 2)).sent == 2);
  const BytesBatch batch = in->take_batch();
  in.reset();
  REQUIRE(batch.size() == 2);
  CHECK(batch[1].bytes().size() == sizeof(Sample));
}

TEST_CASE("messages of another size are left out of a typed batch") {
  const TestDomain domain(kReliable);
  Node node("node", domain.options);
  auto in = node.subscribe<Sample>("x");
  auto out = node.advertise_bytes("x");
  const Sample sample{42};
  const std::array<std::byte, 3> wrong{};
  const std::array<std::span<const std::byte>, 3> payloads{bytes_of(sample), wrong, bytes_of(sample)};
  REQUIRE(out.publish_batch(payloads).sent == 3);
  std::array<Sample, 3> taken{};
  std::array<MessageInfo, 3> infos{};
  REQUIRE(in.take_batch(taken, infos) == 2);
  CHECK(taken[1].number == 42);
  CHECK(infos[1].sequence == 2);
}

TEST_CASE("a batch of a dead parent's endpoints is refused after a fork") {
  const TestDomain domain;
  auto node = std::make_unique<Node>("node", domain.options);
  auto out = node->advertise<Sample>("x");
  auto in = node->subscribe<Sample>("x");
  const auto refused = [](const auto& action) {
    try {
      action();
    } catch (const Error& error) {
      return std::string(error.what()).find("opened before fork()") != std::string::npos;
    }
    return false;
  };
  ChildProcess child([&] {
    std::array<Sample, 2> samples{};
    return refused([&] { (void)out.publish_batch(samples); }) && refused([&] { (void)in.take_batch(samples); }) ? 0 : 1;
  });
  CHECK(child.wait() == 0);
}

TEST_CASE("what may have arrived counts as published, however many messages of a batch that are") {
  const TestDomain domain(kScripted);
  Node node("node", domain.options);
  auto out = node.advertise<Sample>("x");
  const auto number_of = [](PublishResult result) { return static_cast<std::uint64_t>(result); };
  const std::uint64_t uncertain = number_of(PublishResult::uncertain);
  const std::array<Sample, 6> samples{{{0}, {0}, {uncertain}, {uncertain}, {uncertain}, {0}}};
  const BatchResult batch = out.publish_batch(samples);
  CHECK(batch.sent == 2);
  CHECK(batch.result == PublishResult::uncertain);
  CHECK(out.stats().uncertain == 3);
  CHECK(endpoint(domain, EndpointKind::publisher).messages == 5);
  CHECK(endpoint(domain, EndpointKind::publisher).bytes == 5 * sizeof(Sample));
  for (const auto result : {PublishResult::out_of_chunks, PublishResult::own_subscription_full}) {
    const std::array<Sample, 2> refused{{{number_of(result)}, {0}}};
    CHECK(out.publish_batch(refused).sent == 0);
    CHECK(out.publish_batch(refused).result == result);
  }
  CHECK(endpoint(domain, EndpointKind::publisher).messages == 5);
  CHECK(endpoint(domain, EndpointKind::publisher).timeouts == 0);
}

TEST_CASE("what was overwritten while it was copied is not in the batch") {
  const TestDomain domain(kScripted);
  Node node("node", domain.options);
  auto in = node.subscribe<Sample>("x");
  std::vector<Sample> taken(100);
  std::vector<MessageInfo> infos(100);
  REQUIRE(in.take_batch(std::span(taken).first(60), infos) == 60);
  REQUIRE(in.take_batch_for(std::span(taken).subspan(60), 20s, std::span(infos).subspan(60)) == 7);
  for (std::uint64_t i = 0; i < 67; ++i) {
    CHECK(infos[i].sequence == i / 2 * 3 + i % 2);
    CHECK((taken[i].number & 0xFFU) == infos[i].sequence);
  }
  CHECK(in.take_batch_for(taken, 2ms) == 0);
}

TEST_CASE("why there is no loan, and what a result means, in words") {
  const TestDomain domain("topics: {/x: {max_size: 100B}}");
  Node node("node", domain.options);
  auto out = node.advertise_bytes("x");
  BytesLoan too_large = out.loan(101);
  REQUIRE_FALSE(too_large);
  CHECK(too_large.refused() == PublishResult::too_large);
  CHECK_THAT(out.explain(too_large.refused(), 101), Contains("topic '/x': ") && Contains("101"));
  CHECK(out.publish(std::move(too_large), 0) == PublishResult::too_large);
  std::vector<BytesLoan> loans;
  while (loans.empty() || loans.back()) loans.push_back(out.loan(100));
  CHECK(loans.back().refused() == PublishResult::out_of_chunks);
  CHECK(loans.front().refused() == PublishResult::ok);
  CHECK(out.publish(std::move(loans.back()), 0) == PublishResult::out_of_chunks);
  for (const auto result :
       {PublishResult::ok, PublishResult::timeout, PublishResult::wrong_size, PublishResult::uncertain,
        PublishResult::out_of_chunks, PublishResult::own_subscription_full}) {
    CHECK_THAT(out.explain(result), Catch::Matchers::StartsWith("topic '/x': ") && !Contains("unknown"));
  }
}
