#include <catch2/catch.hpp>

#include <thread>

#include "unit/eshm/eshm_support.hpp"

using namespace sluice;
using namespace sluice::eshm;
using namespace sluice::test;

using Found = MailboxReader::Found;
using From = MailboxReader::From;

TEST_CASE("a mailbox delivers each message once, and counts what was replaced unread") {
  const Protocol protocol = GENERATE(Protocol::v2, Protocol::v3);
  OwnMailbox mailbox(64, protocol);
  TextReader reader(mailbox);
  CHECK(reader.take() == Found::nothing);
  mailbox.write("one");
  CHECK(reader.reader.ready());
  REQUIRE(reader.take() == Found::message);
  CHECK((reader.text == "one" && reader.message.conflated == 0 && reader.message.number == 0));
  CHECK(reader.take() == Found::nothing);
  for (const char* text : {"two", "three", "four"}) mailbox.write(text);
  REQUIRE(reader.take() == Found::message);
  CHECK((reader.text == "four" && reader.message.conflated == 2 && reader.message.number == 3));
  CHECK((reader.reader.books().received == 2 && reader.reader.books().conflated == 2));
  CHECK(mailbox.tail().read_count.load_relaxed() == 2);
  CHECK(mailbox.tail().write_count.load_relaxed() == 4);
  CHECK(mailbox.sequence() == 8);
  CHECK(mailbox.tail().wake_seq.load_relaxed() == (protocol == Protocol::v3 ? 4 : 0));
  CHECK(reader.books_balance());
}

TEST_CASE("a message may be empty, and as long as the mailbox") {
  const std::size_t max_size = GENERATE(0U, 1U, 7U, 8U, 9U, 100U, 4096U);
  OwnMailbox mailbox(max_size);
  TextReader reader(mailbox);
  mailbox.write("");
  REQUIRE(reader.take() == Found::message);
  CHECK(reader.text.empty());
  const std::string longest(max_size, 'x');
  mailbox.write(longest);
  REQUIRE(reader.take() == Found::message);
  CHECK(reader.text == longest);
  CHECK(mailbox.tail().read_count.load_relaxed() == 2);
}

TEST_CASE("the same message twice is two messages") {
  OwnMailbox mailbox;
  TextReader reader(mailbox);
  for (int k = 0; k < 2; ++k) {
    mailbox.write("same");
    REQUIRE(reader.take() == Found::message);
    CHECK(reader.message.conflated == 0);
  }
}

TEST_CASE("write_count trails the sequence, and says nothing about what is new") {
  OwnMailbox mailbox;
  TextReader reader(mailbox);
  mailbox.write("one");
  mailbox.tail().write_count.store_relaxed(0);  // between the two stores of a write
  REQUIRE(reader.take() == Found::message);
  mailbox.tail().write_count.store_relaxed(1);
  CHECK(reader.take() == Found::nothing);  // counted late, not delivered twice
  CHECK(reader.books_balance());
}

TEST_CASE("a message for which there is no room stays") {
  OwnMailbox mailbox;
  TextReader reader(mailbox);
  mailbox.write("too long");
  reader.room = 7;
  CHECK(reader.take() == Found::no_room);
  CHECK(reader.text.size() == 8);
  CHECK((reader.reader.books().received == 0 && mailbox.tail().read_count.load_relaxed() == 0));
  CHECK(reader.books_balance());
  reader.room = 8;
  REQUIRE(reader.take() == Found::message);
  CHECK(reader.text == "too long");
}

TEST_CASE("a size beyond the mailbox is nobody's message, and nothing is copied") {
  OwnMailbox mailbox;
  TextReader reader(mailbox);
  mailbox.write("one");
  mailbox.head().data_size.store_relaxed(GENERATE(65U, 4097U, 0x80000000U, UINT32_MAX));
  bool asked = false;
  const auto refuse_to_be_asked = [&](std::size_t) -> std::byte* {
    asked = true;
    return nullptr;
  };
  CHECK(reader.reader.take(refuse_to_be_asked, reader.message) == Found::nothing);
  CHECK_FALSE(asked);
  const MailboxReader::Books& books = reader.reader.books();
  CHECK((books.damaged == 1 && books.conflated == 1 && books.received == 0));
  CHECK(reader.books_balance());
  mailbox.write("two");
  REQUIRE(reader.take() == Found::message);
  CHECK((reader.text == "two" && reader.message.conflated == 0));
  CHECK(reader.books_balance());
}

TEST_CASE("a reader starts at the next, the current or the first message") {
  OwnMailbox mailbox;
  for (const char* text : {"one", "two", "three"}) mailbox.write(text);
  TextReader next(mailbox, From::next);
  TextReader current(mailbox, From::current);
  TextReader first(mailbox, From::first);
  CHECK(next.take() == Found::nothing);
  REQUIRE(current.take() == Found::message);
  CHECK((current.text == "three" && current.message.conflated == 0 && current.message.number == 2));
  REQUIRE(first.take() == Found::message);
  CHECK((first.text == "three" && first.message.conflated == 2 && first.message.number == 2));
  CHECK((next.reader.books().joined == 3 && current.reader.books().joined == 2 && first.reader.books().joined == 0));
  mailbox.write("four");
  for (TextReader* reader : {&next, &current, &first}) {
    REQUIRE(reader->take() == Found::message);
    CHECK((reader->text == "four" && reader->message.conflated == 0 && reader->message.number == 3));
    CHECK(reader->books_balance());
  }
}

TEST_CASE("a mailbox that nobody wrote has no current message") {
  OwnMailbox mailbox;
  TextReader current(mailbox, From::current);
  TextReader first(mailbox, From::first);
  CHECK(current.take() == Found::nothing);
  CHECK(first.take() == Found::nothing);
  CHECK((current.books_balance() && first.books_balance()));
}

TEST_CASE("a write in progress when the reader starts is new when it completes") {
  OwnMailbox mailbox;
  mailbox.write("one");
  mailbox.head().sequence.store_relaxed(3);
  const From from = GENERATE(From::next, From::current);
  TextReader reader(mailbox, from);
  CHECK(reader.take() == Found::nothing);
  mailbox.write("two");
  REQUIRE(reader.take() == Found::message);
  CHECK((reader.text == "two" && reader.message.conflated == 0));
  CHECK(reader.books_balance());
}

TEST_CASE("the books go on over a new mailbox") {
  OwnMailbox old_one;
  TextReader reader(old_one);
  for (const char* text : {"one", "two"}) old_one.write(text);
  REQUIRE(reader.take() == Found::message);
  for (const char* text : {"three", "four"}) old_one.write(text);  // which nobody will take
  OwnMailbox new_one;
  for (const char* text : {"five", "six", "seven"}) new_one.write(text);
  reader.reader.start(new_one.memory(), From::first);
  REQUIRE(reader.take() == Found::message);
  CHECK((reader.text == "seven" && reader.message.conflated == 2 && reader.message.number == 6));
  const MailboxReader::Books& books = reader.reader.books();
  CHECK((books.joined == 0 && books.received == 2 && books.conflated == 5));
  CHECK(reader.reader.completed() == 7);
  CHECK(reader.books_balance());
}

TEST_CASE("a reader that starts anew in the same mailbox has read what was there") {
  OwnMailbox mailbox;
  TextReader reader(mailbox);
  mailbox.write("one");
  mailbox.write("two");
  reader.reader.start(mailbox.memory(), From::next);
  CHECK(reader.take() == Found::nothing);
  mailbox.write("three");
  REQUIRE(reader.take() == Found::message);
  CHECK(reader.message.conflated == 0);
}

TEST_CASE("protocol 2 has no words behind read_count") {
  OwnMailbox mailbox(64, Protocol::v2);
  TextReader reader(mailbox);
  constexpr std::uint32_t kForeign = 0xA5A5A5A5;
  mailbox.tail().wake_seq.store_relaxed(kForeign);
  mailbox.tail().waiters.store_relaxed(kForeign);
  const MailboxReader::Sleep sleep = reader.reader.arm();
  CHECK(sleep.word == nullptr);
  CHECK(sleep.at_most.count() > 0);
  reader.reader.disarm();
  reader.reader.park(shm::Deadline::after(std::chrono::milliseconds{1}));
  mailbox.write("one");
  CHECK(reader.take() == Found::message);
  CHECK(mailbox.tail().wake_seq.load_relaxed() == kForeign);
  CHECK(mailbox.tail().waiters.load_relaxed() == kForeign);
}

TEST_CASE("whoever sleeps is announced, and taken back") {
  OwnMailbox mailbox;
  TextReader reader(mailbox);
  const auto waiters = [&] { return mailbox.tail().waiters.load_relaxed(); };
  const MailboxReader::Sleep sleep = reader.reader.arm();
  CHECK((sleep.word == &mailbox.tail().wake_seq && sleep.expected == 0 && sleep.at_most.count() > 0));
  CHECK(waiters() == 1);
  (void)reader.reader.arm();
  CHECK(waiters() == 1);  // the same sleeper
  reader.reader.disarm();
  reader.reader.disarm();
  CHECK(waiters() == 0);
  reader.reader.park(shm::Deadline::after(std::chrono::milliseconds{2}));
  CHECK(waiters() == 0);
  (void)reader.reader.arm();
  OwnMailbox another;
  reader.reader.start(another.memory(), From::first);
  CHECK(waiters() == 0);  // left behind, it would cost each write a system call for ever
}

TEST_CASE("a parked reader is woken by the write") {
  OwnMailbox mailbox;
  TextReader reader(mailbox);
  mailbox.write("learn that the writer wakes");
  REQUIRE(reader.take() == Found::message);
  bool announced = false;
  std::thread writer([&] {
    announced = eventually([&] { return mailbox.tail().waiters.load_seq_cst() != 0; });
    mailbox.write("wake up");
  });
  while (reader.take() != Found::message) reader.reader.park(shm::Deadline::never());
  CHECK(reader.text == "wake up");
  writer.join();
  CHECK(announced);
  CHECK(mailbox.tail().waiters.load_relaxed() == 0);
}

TEST_CASE("a write rings for whoever sleeps") {
  OwnMailbox mailbox;
  TextReader reader(mailbox);
  std::thread writer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds{50});  // into the sleep; rung before it would prove nothing
    mailbox.write("wake up");
  });
  const MailboxReader::Sleep sleep = reader.reader.arm();
  const auto watchdog = shm::Deadline::after(std::chrono::seconds{30});
  if (!reader.reader.ready()) shm::futex_wait(*sleep.word, sleep.expected, watchdog);
  CHECK_FALSE(watchdog.passed());  // rung, and not timed out
  CHECK(reader.take() == Found::message);
  writer.join();
}

TEST_CASE("a writer of protocol 2 in a segment of protocol 3 is found out, and looked for instead of slept on") {
  OwnMailbox mailbox;
  TextReader reader(mailbox);
  const auto write_as_version_2 = [&] {
    const std::uint32_t wake_seq = mailbox.tail().wake_seq.load_relaxed();
    mailbox.write("no bell");
    mailbox.tail().wake_seq.store_relaxed(wake_seq);
  };
  CHECK(reader.reader.arm().word != nullptr);
  for (int k = 0; k < 3; ++k) {
    write_as_version_2();
    write_as_version_2();
    REQUIRE(reader.take() == Found::message);
  }
  reader.reader.disarm();
  const MailboxReader::Sleep sleep = reader.reader.arm();
  CHECK(sleep.word == nullptr);
  CHECK(sleep.at_most < MailboxReader::kLongestPark);
  CHECK(mailbox.tail().waiters.load_relaxed() == 0);
  mailbox.write("one that rings");
  REQUIRE(reader.take() == Found::message);
  CHECK(reader.reader.arm().word != nullptr);
  reader.reader.disarm();
}
