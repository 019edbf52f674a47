#include <atomic>
#include <future>

#include "conformance/suite.hpp"
#include "conformance/topic.hpp"

// What is lost is counted.
namespace sluice::conformance {

namespace {

void expect_equation(const Reader& reader, std::uint64_t published) {
  const ReaderStats books = reader.stats();
  expect_equal(books.reserved - books.joined, published, "positions since the reader joined");
  expect_equal(books.received + books.lost + books.skipped + books.queued, published,
               "received + lost + skipped + queued");
}

void check_step_by_step(Topic& topic) {
  auto writer = topic.writer();
  auto reader = topic.reader();
  Sender sender(*writer, topic.size());
  Receiver receiver(*reader);
  expect_equation(*reader, 0);
  for (std::uint64_t round = 0; round < 3; ++round) {
    for (std::uint32_t i = 0; i < topic.spec.qos.depth; ++i) {
      sender.send(1);
      expect_equation(*reader, sender.sent());
    }
    while (receiver.receive()) expect_equation(*reader, sender.sent());
    receiver.expect_books(sender.sent());
  }
}

void check_depth_kept(Topic& topic) {
  auto writer = topic.writer();
  auto reader = topic.reader();
  Sender sender(*writer, topic.size());
  Receiver receiver(*reader);
  for (int round = 0; round < 20; ++round) {
    sender.send(topic.spec.qos.depth);
    expect_equal(receiver.receive_all(), topic.spec.qos.depth, "messages for a reader that is `depth` behind");
  }
  expect_equal(receiver.lost(), 0U, "messages lost");
  receiver.expect_books(sender.sent());
}

void check_overflow(Topic& topic) {
  auto writer = topic.writer();
  auto reader = topic.reader();
  Sender sender(*writer, topic.size());
  Receiver receiver(*reader);
  for (const std::uint64_t count : {1U, 3U, 8U, 33U}) {
    const std::uint64_t lost = receiver.lost();
    sender.send(count * topic.spec.qos.depth + 1);
    expect_equation(*reader, sender.sent());
    receiver.receive_all();
    expect_equal(receiver.last(1).value_or(0), sender.sent() - 1, "the number of the newest message");
    receiver.expect_books(sender.sent());
    expect(count < 3 || receiver.lost() > lost, "messages lost when far more than `depth` were published");
  }
}

/// A reader asks for its books all the time while everything it does not take is lost.
void check_meanwhile(Topic& topic) {
  auto writer = topic.writer();
  auto reader = topic.reader();
  std::atomic<bool> done = false;
  auto publishing = std::async(std::launch::async, [&] {
    Sender sender(*writer, topic.size());
    while (!done) sender.send(1);
    return sender.sent();
  });
  Receiver receiver(*reader);
  std::uint64_t reserved = 0;
  std::string found;
  for (int i = 0; i < 200'000 && found.empty(); ++i) {
    if (i % 1000 == 0) receiver.receive();
    const ReaderStats books = reader->stats();
    const std::uint64_t positions = books.reserved - books.joined;
    if (books.reserved < reserved) found = "fewer positions than before";
    if (books.received + books.lost + books.skipped > positions) {
      found = "received + lost + skipped = " + std::to_string(books.received + books.lost + books.skipped) + " of " +
              std::to_string(positions) + " positions";
    }
    reserved = books.reserved;
  }
  done = true;
  const std::uint64_t sent = publishing.get();
  expect(found.empty(), "books that hold at any time, found " + found);
  receiver.receive_all();
  receiver.expect_books(sent);
}

void check_conflation(Topic& topic) {
  auto writer = topic.writer();
  auto reader = topic.reader();
  Sender sender(*writer, topic.size());
  Receiver receiver(*reader);
  for (std::uint64_t count = 1; count < 50; ++count) {
    const std::uint64_t lost = receiver.lost();
    sender.send(count);
    expect_equation(*reader, sender.sent());
    const auto stamp = receiver.receive();
    expect(stamp && stamp->number == sender.sent() - 1, "the newest message");
    expect_equal(receiver.lost() - lost, count - 1, "messages conflated, as told with the newest one");
    expect(!receiver.receive(), "nothing beside the newest message");
    receiver.expect_books(sender.sent());
  }
}

}  // namespace

void add_books(Suite& suite) {
  suite.add("books", "reserved - joined = received + lost + skipped + queued, after every step", {},
            check_step_by_step);
  suite.add("books_meanwhile", "the books hold at any time, also while messages are published and lost",
            {Need::best_effort_topic}, check_meanwhile);
  suite.add("depth_kept", "a reader that is at most `depth` behind loses nothing", {Need::queue}, check_depth_kept);
  suite.add("overflow", "a reader that is too slow loses the oldest messages and is told how many",
            {Need::queue, Need::best_effort_topic}, check_overflow);
  suite.add("conflation", "a slow reader receives the newest message and is told how many it replaced",
            {Need::latest_value}, check_conflation);
}

}  // namespace sluice::conformance
