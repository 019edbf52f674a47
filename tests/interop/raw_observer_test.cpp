#include <catch2/catch.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>

#include "interop/raw_support.hpp"
#include "support/child_process.hpp"

using namespace sluice;
using namespace sluice::slick;
using namespace sluice::test;
using namespace std::chrono_literals;

namespace {

std::unique_ptr<Reader> observer(const RawBench& bench, Observed what = Observed::messages) {
  return bench.transport->open_observer(bench.spec, bench.context(), what);
}

std::string file_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("an observer of a segment sees foreign and own messages, and changes not one byte") {
  const auto reliability = GENERATE(Reliability::best_effort, Reliability::reliable);
  const RawBench bench(reliability);
  const auto writer = bench.writer();
  TestRing foreign = bench.ring();
  const auto observer = ::observer(bench);
  REQUIRE(send(*writer, kEight + kEight) == PublishResult::ok);
  publish_golden(foreign, 1);
  const std::string before = file_bytes(segment_path(bench.name.name()));
  const auto message = observer->take();
  REQUIRE(message);
  CHECK(message->size == 16);
  CHECK(message->info.sequence == 0);
  CHECK(std::memcmp(message->data, (kEight + kEight).data(), 16) == 0);
  observer->release(*message);
  CHECK(receive_all(*observer).size() == 1);
  CHECK_FALSE(observer->take());
  const auto wait = observer->arm();
  REQUIRE(wait);
  CHECK(wait->word == nullptr);
  CHECK(books_are(observer->stats(), 3, 0, 0, 0));
  CHECK(observer->writer_count() == 1);
  CHECK(writer->reader_count() == 0);
  CHECK(file_bytes(segment_path(bench.name.name())) == before);
}

TEST_CASE("a reliable producer does not wait for an observer, which counts what it missed") {
  const RawBench bench(Reliability::reliable);
  const auto writer = bench.writer();
  const auto observer = ::observer(bench, Observed::headers);
  for (int i = 0; i < 21; ++i) REQUIRE(send(*writer, kEight) == PublishResult::ok);
  std::this_thread::sleep_for(10ms);  // a new tick of the coarse clock: a look at how far producers are
  std::optional<TakenMessage> message;
  REQUIRE(eventually([&] { return (message = observer->take()).has_value(); }));
  CHECK(message->info.lost == 13);
  CHECK(message->data == nullptr);
  CHECK(message->size == 8);
  observer->release(*message);
  while ((message = observer->take())) observer->release(*message);
  CHECK(books_are(observer->stats(), 8, 13, 0, 0));
}

TEST_CASE("an observer steps over a hole that nobody repairs") {
  const RawBench bench;
  TestRing foreign(open_segment(golden_request(bench.name)));
  const auto observer = ::observer(bench);
  (void)foreign.reserve(1);
  publish_golden(foreign, 1);
  std::optional<std::string> text;
  REQUIRE(eventually([&] { return (text = receive(*observer)).has_value(); }));
  CHECK(books_are(observer->stats(), 1, 0, 1, 0));
}

TEST_CASE("an observer waits for a segment, sees its first message, and follows its name") {
  const RawBench bench;
  const auto observer = ::observer(bench);
  CHECK_FALSE(observer->take());
  for (int round = 0; round < 2; ++round) {
    ::unlink(segment_path(bench.name.name()).c_str());
    TestRing foreign(open_segment(golden_request(bench.name)));
    publish_golden(foreign, 2);
    REQUIRE(eventually([&] { return receive(*observer).has_value(); }));
  }
  CHECK(books_are(observer->stats(), 4, 0, 0, 0));
}

TEST_CASE("an observer needs only the right to read") {
  if (::geteuid() == 0) WARN("root may write what mode 0444 forbids: what is shown is that nothing asks for it");
  const RawBench bench;
  TestRing foreign(open_segment(golden_request(bench.name)));
  REQUIRE(::chmod(segment_path(bench.name.name()).c_str(), 0444) == 0);
  const auto observer = ::observer(bench);
  publish_golden(foreign, 1);
  CHECK(eventually([&] { return receive(*observer).has_value(); }));
}

TEST_CASE("an observer refuses a segment of other elements, naming both sizes") {
  RawBench bench;
  TestRing foreign(open_segment(golden_request(bench.name)));
  bench.set_option("element", "16B");
  CHECK_THROWS_WITH(::observer(bench), Catch::Contains("8 bytes") && Catch::Contains("16"));
}
