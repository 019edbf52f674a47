#include <algorithm>
#include <atomic>
#include <future>
#include <set>

#include "conformance/suite.hpp"
#include "conformance/topic.hpp"

// What is published is what is taken.
namespace sluice::conformance {

namespace {

std::vector<std::size_t> sizes(const Topic& topic) {
  const std::size_t unit = topic.settings().granularity;
  const std::size_t most = topic.spec.max_size;
  std::vector<std::size_t> all{unit, 2 * unit, most / unit * unit};
  if (unit == 1) all = {0, 1, 31, 32, 63, 64, 65, 127, 128, 129, most - 1, most};
  std::erase_if(all, [&](std::size_t size) { return size > most; });
  return all;
}

void check_round_trip(Topic& topic) {
  auto writer = topic.writer();
  auto reader = topic.reader();
  std::uint64_t number = 0;
  for (int round = 0; round < 3; ++round) {
    for (const std::size_t size : sizes(topic)) {
      std::vector<std::byte> message(size);
      compose(message, 1, ++number);
      expect_equal(writer->publish_copy(message, 1), PublishResult::ok,
                   "publishing " + std::to_string(size) + " bytes");
      const auto taken = reader->take();
      expect(taken.has_value(), "the message of " + std::to_string(size) + " bytes");
      expect_equal(taken->size, size, "the size of a message");
      expect(std::equal(message.begin(), message.end(), taken->data), "the bytes as they were published");
      expect(size == 0 || reinterpret_cast<std::uintptr_t>(taken->data) % 16 == 0, "messages aligned to 16 bytes");
      reader->release(*taken);
    }
  }
}

void check_too_large(Topic& topic) {
  auto writer = topic.writer();
  auto reader = topic.reader();
  const std::size_t unit = topic.settings().granularity;
  const std::size_t size = topic.spec.max_size / unit * unit + unit;
  const std::vector<std::byte> message(size);
  const LoanedBuffer none = writer->loan(size);
  expect(none.data == nullptr, "no loan of more than max_size");
  expect_equal(none.refused, PublishResult::too_large, "why there is no loan of more than max_size");
  expect_equal(writer->publish_copy(message, 1), PublishResult::too_large, "publishing more than max_size");
  const LoanedBuffer loan = writer->loan(unit);
  expect(loan.data != nullptr, "a loan");
  expect_equal(writer->publish(loan, size, 1), PublishResult::too_large, "publishing more of a loan than max_size");
  expect(!reader->take(), "nothing sent");
  expect_equal(writer->stats().published, 0U, "messages published, by the writer's books");
  expect_alive(topic, *writer, *reader);
}

void check_wrong_size(Topic& topic) {
  auto writer = topic.writer();
  auto reader = topic.reader();
  const std::size_t unit = topic.settings().granularity;
  for (const std::size_t size : {std::size_t{0}, unit - 1, unit + 1}) {
    const std::vector<std::byte> message(size);
    expect_equal(writer->publish_copy(message, 1), PublishResult::wrong_size,
                 "publishing " + std::to_string(size) + " bytes");
  }
  expect(!reader->take(), "nothing sent");
  expect_alive(topic, *writer, *reader);
}

void check_information(Topic& topic) {
  auto writer = topic.writer();
  auto reader = topic.reader();
  expect(writer->id() != 0, "a publisher's identity other than 0, which means unknown");
  for (std::uint64_t i = 0; i < 3 * std::uint64_t{topic.spec.qos.depth}; ++i) {
    std::vector<std::byte> message(topic.size());
    const auto when = static_cast<std::int64_t>(1000 + i);
    expect_equal(writer->publish_copy(message, when), PublishResult::ok, "the result of publishing");
    const auto taken = reader->take();
    expect(taken.has_value(), "the message");
    expect_equal(taken->info.sequence, i, "the sequence number");
    expect_equal(taken->info.published_ns, when, "the time of publication");
    expect_equal(taken->info.publisher, writer->id(), "the publisher");
    expect_equal(taken->info.lost, 0U, "messages lost before this one");
    reader->release(*taken);
  }
}

void check_identities(Topic& topic) {
  auto reader = topic.reader();
  std::vector<std::unique_ptr<Writer>> writers;
  std::set<PublisherId> seen;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    if (!topic.traits().many_publishers) writers.clear();
    writers.push_back(topic.writer());
    expect(seen.insert(writers.back()->id()).second, "another identity for every publisher of the topic");
    Sender(*writers.back(), topic.size()).send();
    const auto taken = reader->take();
    expect(taken.has_value(), "a message of every publisher");
    expect_equal(taken->info.publisher, writers.back()->id(), "the publisher of a message");
    reader->release(*taken);
  }
}

void check_everyone(Topic& topic) {
  auto writer = topic.writer();
  std::vector<std::unique_ptr<Reader>> readers;
  for (int i = 0; i < 3; ++i) readers.push_back(topic.reader());
  Sender sender(*writer, topic.size());
  std::vector<Receiver> receivers;
  for (auto& reader : readers) receivers.emplace_back(*reader);
  for (std::uint64_t i = 0; i < 4 * std::uint64_t{topic.spec.qos.depth}; ++i) {
    sender.send(1);
    for (Receiver& receiver : receivers) {
      const auto stamp = receiver.receive();
      expect(stamp && stamp->number == i, "every message at every reader");
    }
  }
  for (const Receiver& receiver : receivers) receiver.expect_books(sender.sent());
}

/// Publishes `count` messages in a thread. A publisher that was overtaken while it did not run is told that a message
/// is uncertain; that is no fault here.
std::future<void> publish_in_thread(Topic& topic, Writer& writer, std::uint64_t count, std::uint64_t tag) {
  return std::async(std::launch::async, [&topic, &writer, count, tag] {
    Sender sender(writer, topic.long_size(), tag);
    while (sender.sent() < count) {
      const PublishResult result = sender.send();
      expect(result == PublishResult::ok || result == PublishResult::uncertain,
             "a message that is sent or uncertain, found " + shown(result));
    }
  });
}

/// Takes until all writers are done and nothing is left, what they did not complete included.
std::future<Receiver> take_in_thread(Reader& reader, const std::atomic<bool>& done) {
  return std::async(std::launch::async, [&reader, &done] {
    Receiver receiver(reader);
    for (;;) {
      const bool last_look = done.load();
      const std::uint64_t count = receiver.receive_all();
      const ReaderStats books = reader.stats();
      if (count == 0 && last_look && books.queued == 0) return receiver;
      expect(books.queued <= books.reserved - books.joined, "books that hold while publishers run");
      expect_equal(books.received, receiver.received(), "messages received, by the reader's books");
    }
  });
}

/// As Receiver::expect_books. Between several publishers there may be positions without a message: those that one of
/// them could not be given because another, who does not run, may still write there.
void expect_books_under_load(Topic& topic, const Receiver& receiver, std::size_t writers, std::uint64_t published) {
  const std::uint64_t positions = receiver.books().reserved - receiver.books().joined;
  expect(positions >= published, "a position for every message");
  receiver.expect_books(writers == 1 ? published : positions);
  if (topic.spec.qos.reliability == Reliability::reliable) {
    expect_equal(receiver.lost(), 0U, "messages lost");
    expect(receiver.received() <= published, "no more messages than were published");
    expect_equal(receiver.received() + receiver.books().skipped, positions, "messages received, and holes");
  }
}

void check_under_load(Topic& topic) {
  constexpr std::uint64_t kMessages = 20'000;
  std::vector<std::unique_ptr<Reader>> readers;
  std::vector<std::unique_ptr<Writer>> writers;
  for (int i = 0; i < (topic.traits().many_subscribers ? 2 : 1); ++i) readers.push_back(topic.reader());
  for (int i = 0; i < (topic.traits().many_publishers ? 3 : 1); ++i) writers.push_back(topic.writer());

  std::atomic<bool> done = false;
  std::vector<std::future<Receiver>> taking;
  for (auto& reader : readers) taking.push_back(take_in_thread(*reader, done));
  struct Finally {  // also when this function is left by an exception: the threads above wait for it
    explicit Finally(std::atomic<bool>& flag) : done(flag) {}
    Finally(const Finally&) = delete;
    Finally& operator=(const Finally&) = delete;
    ~Finally() { done = true; }
    std::atomic<bool>& done;
  };
  {
    const Finally finally{done};
    std::vector<std::future<void>> publishing;
    for (auto& writer : writers) {
      publishing.push_back(publish_in_thread(topic, *writer, kMessages, publishing.size() + 1));
    }
    for (auto& thread : publishing) thread.get();
  }
  for (auto& thread : taking) expect_books_under_load(topic, thread.get(), writers.size(), writers.size() * kMessages);
}

void check_writer_books(Topic& topic) {
  auto writer = topic.writer();
  auto reader = topic.reader();
  Sender sender(*writer, topic.size());
  for (int i = 0; i < 100; ++i) {
    sender.send(1);
    const auto taken = reader->take();
    expect(taken.has_value(), "the message");
    reader->release(*taken);
  }
  expect_equal(writer->stats().published, 100U, "messages published, by the writer's books");
  expect_equal(writer->stats().bytes, 100 * topic.size(), "bytes published, by the writer's books");
  expect_equal(writer->stats().timeouts + writer->stats().uncertain, 0U, "timeouts and uncertain results");
  expect_equal(reader->stats().bytes, 100 * topic.size(), "bytes received, by the reader's books");
}

}  // namespace

void add_delivery(Suite& suite) {
  suite.add("round_trip", "what is published is what is taken, of every size from nothing to max_size", {},
            check_round_trip);
  suite.add("too_large", "more than max_size is refused, nothing is sent, and the loan is given back", {},
            check_too_large);
  suite.add("wrong_size", "what is no whole number of elements is refused, and nothing is sent", {Need::sized_elements},
            check_wrong_size);
  suite.add("information", "sequence, time, publisher and losses travel with every message", {Need::own_format},
            check_information);
  suite.add("identities", "no two publishers of a topic have the same identity", {Need::own_format}, check_identities);
  suite.add("everyone", "every reader receives every message", {Need::many_subscribers}, check_everyone);
  suite.add("under_load", "threads publish and take at full speed: intact, in order, and every message accounted for",
            {}, check_under_load);
  suite.add("writer_books", "writers and readers count messages and bytes", {}, check_writer_books);
}

}  // namespace sluice::conformance
