#include <catch2/catch.hpp>

#include <atomic>
#include <thread>

#include "unit/eshm/eshm_support.hpp"

using namespace sluice;
using namespace sluice::eshm;
using namespace sluice::test;

using Found = MailboxReader::Found;
using From = MailboxReader::From;

namespace {

/// Words as a writer leaves them that dies after its so-manieth store.
enum class DiedAfter { odd, half, data, size, even, counted };

void die_writing(OwnMailbox& mailbox, const std::string& text, DiedAfter step) {
  MailboxHead& head = mailbox.head();
  head.sequence.store_relaxed(head.sequence.load_relaxed() | 1U);
  if (step == DiedAfter::odd) return;
  std::memcpy(mailbox.memory().data, text.data(), step == DiedAfter::half ? text.size() / 2 : text.size());
  if (step == DiedAfter::half || step == DiedAfter::data) return;
  head.data_size.store_relaxed(static_cast<std::uint32_t>(text.size()));
  if (step == DiedAfter::size) return;
  head.sequence.store_relaxed(head.sequence.load_relaxed() + 1);
  if (step == DiedAfter::even) return;
  mailbox.tail().write_count.fetch_add_relaxed(1);
}

/// As the original's writer, which adds 1 twice: after a death inside a write, odd means at rest.
void write_as_original(OwnMailbox& mailbox, const std::string& text) {
  MailboxHead& head = mailbox.head();
  head.sequence.store_relaxed(head.sequence.load_relaxed() + 1);
  std::memcpy(mailbox.memory().data, text.data(), text.size());
  head.data_size.store_relaxed(static_cast<std::uint32_t>(text.size()));
  head.sequence.store_relaxed(head.sequence.load_relaxed() + 1);
  mailbox.tail().write_count.fetch_add_relaxed(1);
  if (mailbox.memory().wakes) mailbox.tail().wake_seq.fetch_add_relaxed(1);
}

/// Looks until the reader has seen that a write does not end.
bool found_interrupted(TextReader& reader) {
  return eventually([&] { return reader.take() == Found::interrupted; });
}

}  // namespace

TEST_CASE("a writer that died at any step: nothing torn, and the next write heals the mailbox") {
  const Protocol protocol = GENERATE(Protocol::v2, Protocol::v3);
  const auto step =
      GENERATE(DiedAfter::odd, DiedAfter::half, DiedAfter::data, DiedAfter::size, DiedAfter::even, DiedAfter::counted);
  OwnMailbox mailbox(64, protocol);
  TextReader reader(mailbox);
  TextReader later(mailbox);
  mailbox.write("before");
  REQUIRE(reader.take() == Found::message);
  die_writing(mailbox, "the last words", step);
  const bool completed = step == DiedAfter::even || step == DiedAfter::counted;
  if (completed) {
    REQUIRE(reader.take() == Found::message);
    CHECK((reader.text == "the last words" && reader.message.conflated == 0));
  } else {
    CHECK(reader.take() == Found::nothing);  // it may only be slow
    REQUIRE(found_interrupted(reader));
    CHECK(reader.take() == Found::interrupted);
    CHECK(reader.reader.books().interrupted == 1);  // one write
    CHECK_FALSE(reader.reader.ready());
  }
  CHECK(reader.books_balance());
  mailbox.write("after");
  CHECK(mailbox.sequence() == (completed ? 6 : 4));
  REQUIRE(reader.take() == Found::message);
  CHECK((reader.text == "after" && reader.message.conflated == 0));
  CHECK(reader.take() == Found::nothing);
  REQUIRE(later.take() == Found::message);
  CHECK((later.text == "after" && later.message.conflated == (completed ? 2 : 1)));
  CHECK((reader.books_balance() && later.books_balance()));
  CHECK_FALSE(reader.reader.books().approximate);
}

TEST_CASE("the unread message before a write that was not finished is lost, and counted when the next one comes") {
  OwnMailbox mailbox;
  TextReader reader(mailbox);
  mailbox.write("unread");
  die_writing(mailbox, "torn", DiedAfter::half);
  REQUIRE(found_interrupted(reader));
  mailbox.write("after");
  REQUIRE(reader.take() == Found::message);
  CHECK((reader.text == "after" && reader.message.conflated == 1));
  CHECK(reader.books_balance());
}

TEST_CASE("writers that die one after the other leave a sound mailbox") {
  OwnMailbox mailbox;
  TextReader reader(mailbox);
  for (int round = 0; round < 5; ++round) {
    die_writing(mailbox, "torn", DiedAfter::half);
    die_writing(mailbox, "torn again", DiedAfter::data);
    CHECK(reader.take() == Found::nothing);
    die_writing(mailbox, "whole, not counted", DiedAfter::even);
    REQUIRE(reader.take() == Found::message);
    CHECK((reader.text == "whole, not counted" && reader.message.conflated == 0));
    mailbox.write("whole");
    REQUIRE(reader.take() == Found::message);
  }
  CHECK((reader.reader.books().received == 10 && reader.reader.books().conflated == 0));
  CHECK(reader.reader.completed() == 10);
  CHECK(mailbox.tail().write_count.load_relaxed() == 5);
}

TEST_CASE("counts stay exact where the 32 bits of the sequence wrap") {
  OwnMailbox mailbox;
  mailbox.head().sequence.store_relaxed(UINT32_MAX - 3);  // two writes before 0
  mailbox.tail().write_count.store_relaxed(0x7FFFFFFE);
  TextReader reader(mailbox);
  for (int k = 0; k < 6; ++k) {
    mailbox.write("over the edge");
    REQUIRE(reader.take() == Found::message);
    CHECK(reader.message.conflated == 0);
  }
  CHECK(mailbox.sequence() == 8);
  mailbox.head().sequence.store_relaxed(UINT32_MAX - 1);
  mailbox.tail().write_count.store_relaxed(0x7FFFFFFF + (std::uint64_t{1} << 31U));
  REQUIRE(reader.take() == Found::message);
  for (int k = 0; k < 3; ++k) mailbox.write("unread");
  REQUIRE(reader.take() == Found::message);
  CHECK(reader.message.conflated == 2);
  CHECK(reader.books_balance());
}

TEST_CASE("whole laps of the sequence between two looks are known from write_count") {
  OwnMailbox mailbox;
  TextReader reader(mailbox);
  mailbox.write("one");
  REQUIRE(reader.take() == Found::message);
  const std::uint64_t laps = GENERATE(1U, 3U);
  const std::uint32_t behind = GENERATE(0U, 1U);  // write_count trails by what dead writers did not count
  mailbox.head().sequence.store_relaxed(2 + 2 * 5);
  mailbox.tail().write_count.store_relaxed(1 + 5 - behind + laps * (std::uint64_t{1} << 31U));
  REQUIRE(reader.take() == Found::message);
  CHECK(reader.message.conflated == 4 + laps * (std::uint64_t{1} << 31U));
  CHECK(reader.books_balance());
}

TEST_CASE("write_count falls: the segment was written anew, and all of it is new") {
  OwnMailbox mailbox;
  TextReader reader(mailbox);
  for (int k = 0; k < 10; ++k) mailbox.write("old");
  REQUIRE(reader.take() == Found::message);
  mailbox.head().sequence.store_relaxed(0);  // as an original that starts over in the same file
  mailbox.tail().write_count.store_relaxed(0);
  for (int k = 0; k < 3; ++k) mailbox.write("new");
  REQUIRE(reader.take() == Found::message);
  CHECK((reader.text == "new" && reader.message.conflated == 2));
}

TEST_CASE("inverted parity: nothing before there is evidence, then everything, with approximate counts (H1)") {
  OwnMailbox mailbox(64, GENERATE(Protocol::v2, Protocol::v3));
  TextReader reader(mailbox);
  write_as_original(mailbox, "sound");
  REQUIRE(reader.take() == Found::message);
  die_writing(mailbox, "torn", DiedAfter::half);
  REQUIRE(found_interrupted(reader));

  write_as_original(mailbox, "odd at rest");  // even while it is written, odd when it is complete
  CHECK(mailbox.sequence() == 5);
  for (int look = 0; look < 10; ++look) {
    CHECK(reader.take() != Found::message);  // one value is no evidence
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  CHECK_FALSE(reader.reader.books().approximate);

  int written = 1;
  const bool delivered = eventually([&] {
    write_as_original(mailbox, "message " + std::to_string(++written));
    (void)reader.take();
    std::this_thread::sleep_for(std::chrono::milliseconds{2});  // what the parity means is seen by its duration
    return reader.take() == Found::message;
  });
  REQUIRE(delivered);
  CHECK(written >= 8);
  CHECK(reader.text == "message " + std::to_string(written));
  CHECK(reader.reader.books().approximate);
  for (int k = 0; k < 3; ++k) {
    write_as_original(mailbox, "next");
    write_as_original(mailbox, "last");
    REQUIRE(reader.take() == Found::message);
    CHECK((reader.text == "last" && reader.message.conflated == 1));
    CHECK(reader.take() == Found::nothing);
  }
}

TEST_CASE("a reader that only sleeps and looks finds out a writer of inverted parity that is faster (H1)") {
  OwnMailbox mailbox(64, GENERATE(Protocol::v2, Protocol::v3));
  TextReader reader(mailbox);
  die_writing(mailbox, "torn", DiedAfter::half);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    while (!stop) {
      write_as_original(mailbox, "odd at rest");
      std::this_thread::sleep_for(std::chrono::milliseconds{2});
    }
  });
  CHECK(eventually([&] {
    if (reader.take() == Found::message) return true;
    reader.reader.park(shm::Deadline::never());
    return false;
  }));
  CHECK(reader.text == "odd at rest");
  CHECK(reader.reader.books().approximate);
  stop = true;
  writer.join();
}

TEST_CASE("a mailbox whose parity was inverted is read again when a sound writer has healed it") {
  OwnMailbox mailbox;
  TextReader reader(mailbox);
  die_writing(mailbox, "torn", DiedAfter::half);
  REQUIRE(eventually([&] {
    write_as_original(mailbox, "odd at rest");
    (void)reader.take();
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
    return reader.take() == Found::message;
  }));
  mailbox.write("healed");
  CHECK((mailbox.sequence() & 1U) == 0);
  int written = 1;
  REQUIRE(eventually([&] {
    mailbox.write("healed " + std::to_string(++written));
    (void)reader.take();
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
    return reader.take() == Found::message;
  }));
  CHECK(reader.text == "healed " + std::to_string(written));
  for (int k = 0; k < 3; ++k) {
    mailbox.write("sound again");
    REQUIRE(reader.take() == Found::message);
    CHECK(reader.message.conflated == 0);
  }
}

TEST_CASE("a sound writer that is found at work again and again is not taken for an inverted one") {
  OwnMailbox mailbox;
  TextReader reader(mailbox);
  for (int k = 0; k < 40; ++k) {
    die_writing(mailbox, "slow", DiedAfter::half);
    CHECK(reader.take() == Found::nothing);
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
    CHECK(reader.take() == Found::nothing);
    mailbox.write("slow, but whole");
    REQUIRE(reader.take() == Found::message);
    REQUIRE(reader.text == "slow, but whole");
  }
  CHECK_FALSE(reader.reader.books().approximate);
}

TEST_CASE("one writes at full speed, others read: nothing torn, all accounted for") {
  OwnMailbox mailbox(512);
  constexpr std::uint64_t kMessages = 200'000;
  std::vector<TextReader> readers;
  for (int k = 0; k < 2; ++k) readers.emplace_back(mailbox);
  std::atomic<bool> done{false};
  std::atomic<int> torn{0};
  std::vector<std::thread> threads;
  for (TextReader& reader : readers) {
    threads.emplace_back([&] {
      bool last = false;
      for (;;) {
        const Found found = reader.take();
        if (found == Found::message) {
          const bool whole = reader.text.find_first_not_of(reader.text[0]) == std::string::npos;
          const bool sized = reader.text.size() == 1 + static_cast<unsigned char>(reader.text[0]) * 2U;
          if (!whole || !sized) ++torn;
        } else if (last) {
          return;
        }
        last = done.load();
      }
    });
  }
  MailboxWriter writer(mailbox.memory());
  std::vector<std::byte> message(512);
  for (std::uint64_t k = 0; k < kMessages; ++k) {
    const auto value = static_cast<unsigned char>(k * 7 % 251);
    std::memset(message.data(), value, message.size());
    writer.write(std::span(message).first(1 + value * 2U));
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(torn == 0);
  for (const TextReader& reader : readers) {
    const MailboxReader::Books& books = reader.reader.books();
    CHECK(books.received + books.conflated == kMessages);
    CHECK((books.damaged == 0 && books.interrupted == 0 && !books.approximate));
  }
  CHECK(mailbox.tail().waiters.load_relaxed() == 0);
}
