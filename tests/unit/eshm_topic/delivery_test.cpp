#include <catch2/catch.hpp>

#include "unit/eshm_topic/foreign_side.hpp"
#include "unit/eshm_topic/topic_process.hpp"

using namespace sluice;
using namespace sluice::test;
using eshm::Side;

TEST_CASE("a reader receives what is published after it came, whoever came first") {
  ChannelBench bench;
  bench.set("protocol", GENERATE("3", "2"));
  const Side side = GENERATE(Side::master, Side::slave);
  std::unique_ptr<Writer> writer;
  std::unique_ptr<Reader> reader;
  SECTION("the reader") {
    reader = bench.reader(side);
    CHECK(reader->writer_count() == 0);
    writer = bench.writer(side);
  }
  SECTION("the writer") {
    writer = bench.writer(side);
    REQUIRE(send(*writer, "before") == PublishResult::ok);
    reader = bench.reader(side);
  }
  CHECK_FALSE(reader->take());
  REQUIRE(send(*writer, "after") == PublishResult::ok);
  const auto message = reader->take();
  REQUIRE(message);
  CHECK(message->info.sequence == reader->stats().joined);
  CHECK(message->info.lost == 0);
  CHECK(message->info.publisher == 0);
  reader->release(*message);
  CHECK_FALSE(receive(*reader));
  CHECK(books_are(reader->stats(), 1, 0, 0));
  CHECK(reader->stats().bytes == 5);
}

TEST_CASE("the same between processes") {
  ChannelBench bench;
  SECTION("the reader first") {
    const auto reader = bench.reader();
    TopicProcess writer(bench, TopicProcess::Is::writer, Side::master);
    writer.publish();
    CHECK(await_message(*reader) == "1");
  }
  SECTION("the writer first") {
    TopicProcess writer(bench, TopicProcess::Is::writer, Side::master);
    writer.publish(3);
    const auto reader = bench.reader();
    CHECK_FALSE(reader->take());
    writer.publish();
    CHECK(await_message(*reader) == "4");
  }
}

TEST_CASE("two topics share a channel, one a direction") {
  ChannelBench bench;
  const auto commands = bench.writer(Side::master);
  const auto state = bench.writer(Side::slave);
  const auto of_commands = bench.reader(Side::master);
  const auto of_state = bench.reader(Side::slave);
  for (int i = 0; i < 3; ++i) {
    REQUIRE(send(*commands, "command " + std::to_string(i)) == PublishResult::ok);
    REQUIRE(send(*state, "state " + std::to_string(i)) == PublishResult::ok);
    CHECK(receive(*of_commands) == "command " + std::to_string(i));
    CHECK(receive(*of_state) == "state " + std::to_string(i));
  }
  CHECK_FALSE(receive(*of_commands));
  CHECK_FALSE(receive(*of_state));
}

TEST_CASE("each of many readers counts what was replaced before it looked") {
  ChannelBench bench;
  const auto writer = bench.writer();
  const auto quick = bench.reader();
  const auto slow = bench.reader();
  const auto idle = bench.reader();
  std::unique_ptr<Reader> late;
  for (int i = 1; i <= 10; ++i) {
    REQUIRE(send(*writer, std::to_string(i)) == PublishResult::ok);
    CHECK(receive(*quick) == std::to_string(i));
    if (i == 6) late = bench.reader();
    if (i % 4 == 0) CHECK(receive(*slow) == std::to_string(i));
  }
  CHECK(books_are(quick->stats(), 10, 0, 0));
  CHECK(books_are(slow->stats(), 2, 6, 2));
  CHECK(books_are(idle->stats(), 0, 0, 10));
  CHECK(books_are(late->stats(), 0, 0, 4));
  CHECK(late->stats().joined == 6);
  const auto last = slow->take();
  REQUIRE(last);
  CHECK(last->info.lost == 1);
  CHECK(last->info.sequence == 9);
  slow->release(*last);
  CHECK(books_are(slow->stats(), 3, 7, 0));
  CHECK(writer->stats().published == 10);
  CHECK(writer->stats().bytes == 11);
}

TEST_CASE("a transient_local reader begins with the message that is there") {
  ChannelBench bench;
  bench.qos.durability = Durability::transient_local;
  bench.qos.history = 1;
  const auto writer = bench.writer();
  SECTION("none is there") {
    const auto reader = bench.reader();
    CHECK_FALSE(receive(*reader));
    CHECK(books_are(reader->stats(), 0, 0, 0));
  }
  SECTION("the latest is") {
    for (const char* text : {"first", "second"}) REQUIRE(send(*writer, text) == PublishResult::ok);
    const auto reader = bench.reader();
    CHECK(receive(*reader) == "second");
    CHECK_FALSE(receive(*reader));
    CHECK(books_are(reader->stats(), 1, 0, 0));
    bench.qos.durability = Durability::volatile_;
    CHECK_FALSE(receive(*bench.reader()));
  }
}

TEST_CASE("messages have 0 to max_size bytes") {
  ChannelBench bench;
  const auto writer = bench.writer();
  const auto reader = bench.reader();
  CHECK(send(*writer, "") == PublishResult::ok);
  CHECK(receive(*reader) == "");
  const std::string longest(bench.max_size, 'x');
  CHECK(send(*writer, longest) == PublishResult::ok);
  CHECK(receive(*reader) == longest);
  CHECK(send(*writer, longest + "x") == PublishResult::too_large);
  CHECK(writer->loan(bench.max_size + 1).data == nullptr);
  CHECK_FALSE(receive(*reader));
  CHECK(writer->stats().published == 2);
}

TEST_CASE("a sleeper is rung in protocol 3 and looks for itself in protocol 2") {
  ChannelBench bench;
  const bool rings = GENERATE(true, false);
  bench.set("protocol", rings ? "3" : "2");
  const auto reader = bench.reader();
  const auto writer = bench.writer();
  const auto wait = reader->arm();
  REQUIRE(wait);
  CHECK((wait->word != nullptr) == rings);
  CHECK(wait->at_most > std::chrono::nanoseconds{0});
  REQUIRE(send(*writer, "message") == PublishResult::ok);
  if (rings) CHECK(wait->word->load_relaxed() != wait->expected);
  CHECK_FALSE(reader->arm());
  CHECK(receive(*reader) == "message");
}

TEST_CASE("publishers and subscriptions know how many sit on the other side") {
  ChannelBench bench;
  const auto writer = bench.writer();
  CHECK(writer->reader_count() == 0);
  SECTION("our own, here and elsewhere") {
    const auto reader = bench.reader();
    CHECK(reader->writer_count() == 1);
    {
      TopicProcess elsewhere(bench, TopicProcess::Is::reader, Side::master);
      CHECK(writer->reader_count() == 2);
      elsewhere.kill();
      CHECK(writer->reader_count() == 1);
    }
    const auto state = bench.reader(Side::slave);
    CHECK(writer->reader_count() == 1);
    CHECK(state->writer_count() == 0);
  }
  SECTION("a program without Sluice") {
    const auto state = bench.reader(Side::slave);
    CHECK(state->writer_count() == 0);
    ForeignSide foreign(bench.look(), Side::slave);
    CHECK(eventually([&] { return writer->reader_count() == 1 && state->writer_count() == 1; }));
    foreign.write("from outside");
    CHECK(await_message(*state) == "from outside");
    foreign.stop();
    CHECK(eventually([&] { return writer->reader_count() == 0 && state->writer_count() == 0; }));
  }
  SECTION("a Channel") {
    const auto state = bench.reader(Side::slave);
    eshm::ChannelOptions options;
    options.role = eshm::Role::slave;
    options.max_size = bench.max_size;
    {
      eshm::Channel channel(bench.channel.name(), options);
      CHECK(writer->reader_count() == 1);
      CHECK(state->writer_count() == 1);
      REQUIRE(send(*writer, "to the channel") == PublishResult::ok);
      CHECK(read(channel, std::chrono::seconds{30}).text == "to the channel");
      CHECK(write(channel, "back") == eshm::WriteStatus::ok);
      CHECK(await_message(*state) == "back");
    }
    CHECK(writer->reader_count() == 0);
    CHECK(state->writer_count() == 0);
  }
}

TEST_CASE("beside a foreign slave that reads, any number of ours do") {
  ChannelBench bench;
  const auto writer = bench.writer();
  ForeignSide foreign(bench.look(), Side::slave);
  const auto reader = bench.reader();
  eshm::MailboxReader foreign_reader;
  foreign_reader.start(foreign.segment().mailbox(Side::master), eshm::MailboxReader::From::next);
  REQUIRE(send(*writer, "for all") == PublishResult::ok);
  CHECK(receive(*reader) == "for all");
  CHECK(foreign_reader.ready());
  CHECK(eventually([&] { return writer->reader_count() == 2; }));
}
