#include <catch2/catch.hpp>

#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "unit/eshm_topic/foreign_side.hpp"

using namespace sluice;
using namespace sluice::test;
using eshm::Side;

namespace {

std::unique_ptr<Reader> observer(ChannelBench& bench, Observed what = Observed::messages) {
  return bench.transport->open_observer(bench.topic(Side::master), bench.context(), what);
}

std::string file_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

eshm::SegmentRequest request_of(const ChannelBench& bench) {
  eshm::SegmentRequest request;
  request.name = bench.channel.name();
  request.max_size = bench.max_size;
  return request;
}

}  // namespace

TEST_CASE("an observer of a channel sees messages and changes not one byte") {
  ChannelBench bench;
  eshm::Segment segment = eshm::create_segment(request_of(bench), [](eshm::Segment&) {}).value();
  eshm::MailboxWriter writer(segment.mailbox(Side::master));
  const auto observer = ::observer(bench);
  CHECK_FALSE(observer->take());
  writer.write(bytes_of("one"));
  const std::string before = file_bytes(segment.path);
  CHECK(receive(*observer) == "one");
  CHECK_FALSE(observer->take());
  const auto wait = observer->arm();
  REQUIRE(wait);
  CHECK(wait->word == nullptr);
  CHECK(file_bytes(segment.path) == before);
  writer.write(bytes_of("two"));
  writer.write(bytes_of("three"));
  CHECK(receive(*observer) == "three");
  CHECK(books_are(observer->stats(), 2, 1, 0));
}

TEST_CASE("an observer of headers gets sizes and no data") {
  ChannelBench bench;
  const auto writer = bench.writer();
  const auto observer = ::observer(bench, Observed::headers);
  REQUIRE(send(*writer, "12345") == PublishResult::ok);
  const auto message = observer->take();
  REQUIRE(message);
  CHECK(message->size == 5);
  CHECK(message->data == nullptr);
  observer->release(*message);
  CHECK(observer->writer_count() == 1);
  CHECK(writer->reader_count() == 0);
}

TEST_CASE("an observer waits for a channel, sees its first message, and follows its name") {
  ChannelBench bench;
  const auto observer = ::observer(bench);
  CHECK_FALSE(observer->take());
  for (const char* text : {"first", "second"}) {
    const eshm::Segment segment = replace_segment(bench);
    eshm::MailboxWriter(segment.mailbox(Side::master)).write(bytes_of(text));
    CHECK(await_message(*observer) == text);
  }
  CHECK(observer->stats().received == 2);
}

TEST_CASE("a late joiner's observer begins with the message that is there") {
  ChannelBench bench;
  const auto writer = bench.writer();
  REQUIRE(send(*writer, "there") == PublishResult::ok);
  CHECK_FALSE(receive(*observer(bench)));
  bench.qos.durability = Durability::transient_local;
  CHECK(receive(*observer(bench)) == "there");
}

TEST_CASE("an observer refuses a channel of another size, naming both") {
  ChannelBench bench;
  const eshm::Segment segment = eshm::create_segment(request_of(bench), [](eshm::Segment&) {}).value();
  bench.max_size = 4096;
  CHECK_THROWS_WITH(observer(bench), Catch::Contains("4096") && Catch::Contains("give both sides the same"));
}
