#include <catch2/catch.hpp>

#include "unit/slick/slick_support.hpp"

using namespace sluice;
using namespace sluice::test;

namespace {

constexpr std::size_t kLargeMessage = 20'000;

struct ReportBench : TopicBench {
  explicit ReportBench(Reliability reliability) : TopicBench(reliability, 4, kLargeMessage) {
    set_option("inline_limit", "64B");
    set_option("max_publishers", "2");
    set_option("max_subscribers", "2");
  }
  [[nodiscard]] TopicReport report() const { return transport->inspect(spec, context()); }

  /// The only chunk size, whose states must add up.
  [[nodiscard]] ChunkUsage chunks() const {
    const TopicReport now = report();
    REQUIRE(now.chunks.size() == 1);
    const ChunkUsage usage = now.chunks[0];
    CHECK(usage.free + usage.lent + usage.held + usage.unread == usage.count);
    return usage;
  }
};

}  // namespace

TEST_CASE("a report tells who has the chunks, from the loan to the release") {
  const auto reliability = GENERATE(Reliability::best_effort, Reliability::reliable);
  const ReportBench bench(reliability);
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  const std::uint32_t all = bench.chunks().count;
  CHECK(bench.chunks().free == all);
  CHECK(bench.chunks().used == 0);

  const LoanedBuffer loan = writer->loan(kLargeMessage);
  REQUIRE(loan.data != nullptr);
  CHECK(bench.chunks().lent == 1);
  std::memset(loan.data, 'x', kLargeMessage);
  REQUIRE(writer->publish(loan, kLargeMessage, 0) == PublishResult::ok);
  CHECK(bench.chunks().lent == 0);
  CHECK(bench.chunks().unread == 1);
  CHECK(bench.chunks().used == 1);

  const auto message = reader->take();
  REQUIRE(message);
  CHECK(bench.chunks().unread == 0);
  CHECK(bench.chunks().held == 1);
  reader->release(*message);
  CHECK(bench.chunks().free == all);
  CHECK(bench.chunks().used == 1);
}

TEST_CASE("a report's copies are those that memory shows") {
  const auto reliability = GENERATE(Reliability::best_effort, Reliability::reliable);
  const std::size_t length = GENERATE(std::size_t{64}, std::size_t{65}, kLargeMessage);
  const ReportBench bench(reliability);
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  const std::vector<CopiesPerDelivery> told = bench.report().copies;
  REQUIRE(told.size() == 2);
  CHECK(told[0].up_to == 64);
  CHECK(told[1].up_to == kLargeMessage);
  const CopiesPerDelivery& copies = told[length <= told[0].up_to ? 0 : 1];

  const auto file = bench.file();
  const LoanedBuffer loan = writer->loan(length);
  REQUIRE(loan.data != nullptr);
  std::memset(loan.data, 'x', length);
  REQUIRE(writer->publish(loan, length, 0) == PublishResult::ok);
  std::memset(loan.data, 'l', 1);  // as nobody may: who copied before does not see it
  slick::Cell& cell = file.cell(0);
  if (length <= 64) *slick::TopicFile::payload(cell) = std::byte{'c'};
  const auto message = reader->take();
  REQUIRE(message);
  CHECK((text_of(*message)[0] == 'l') == (copies.publish_loan == 0));
  if (length <= 64) *slick::TopicFile::payload(cell) = std::byte{'t'};
  if (length > 64) std::memset(loan.data, 't', 1);
  CHECK((text_of(*message)[0] == 't') == (copies.take == 0));
  reader->release(*message);
}

TEST_CASE("a report looks at the topic that is there, not at what the one who asks has been told") {
  ReportBench bench(Reliability::reliable);
  CHECK_FALSE(bench.report().exists);
  const auto writer = bench.writer();
  TopicSpec other = bench.spec;
  other.qos = {};
  other.max_size = 4096;
  other.options.clear();
  const TopicReport report = bench.transport->inspect(other, bench.context());
  CHECK(report.exists);
  CHECK(report.qos.reliability == Reliability::reliable);
  CHECK(report.qos.depth == 4);
  CHECK(report.max_size == kLargeMessage);
  CHECK(report.copies.size() == 2);
  REQUIRE(report.chunks.size() == 1);
  CHECK(report.chunks[0].size >= kLargeMessage);
}
