#include <signal.h>

#include <algorithm>
#include <future>
#include <random>

#include <sluice/shm/deadline.hpp>

#include "conformance/peer.hpp"
#include "conformance/suite.hpp"
#include "conformance/topic.hpp"

// Processes that are killed or stopped.
namespace sluice::conformance {

namespace {

constexpr std::uint64_t kPeerTag = 50;

/// Lets time pass in which this process takes messages, so that a signal meets the other one anywhere.
void take_for(Receiver& receiver, std::chrono::microseconds time) {
  const shm::Deadline end = shm::Deadline::after(time);
  while (!end.passed()) receiver.receive();
}

void check_killed_publisher(Topic& topic) {
  auto reader = topic.reader();
  std::mt19937 random{20250102};
  for (std::uint64_t round = 0; round < 20; ++round) {
    Receiver receiver(*reader);
    Peer publisher(topic, kPeerTag + round);
    publisher.ask("writer");
    publisher.ask("stream");
    take_for(receiver, std::chrono::microseconds{random() % 5000});
    publisher.kill();
    auto next = topic.writer();
    expect_alive(topic, *next, *reader);  // whatever the dead one left half done
  }
  const ReaderStats books = reader->stats();
  expect_equal(books.received + books.lost + books.skipped + books.queued, books.reserved - books.joined,
               "received + lost + skipped + queued");
}

void check_killed_reader(Topic& topic) {
  auto writer = topic.writer();
  Sender sender(*writer, topic.size());
  for (std::uint64_t round = 0; round < 5; ++round) {
    Peer subscriber(topic, kPeerTag);
    subscriber.ask("reader");
    const std::uint64_t held = topic.traits().latest_value ? 1 : std::max<std::uint64_t>(1, topic.spec.qos.depth / 2);
    sender.send(held);
    subscriber.ask("hold " + std::to_string(held));
    subscriber.kill();
    sender.send(10 * std::uint64_t{topic.spec.qos.depth});  // each must be ok
    auto reader = topic.reader();
    expect_alive(topic, *writer, *reader);
  }
}

void check_stopped_publisher(Topic& topic) {
  auto reader = topic.reader();
  auto writer = topic.writer();
  std::mt19937 random{20250103};
  for (std::uint64_t round = 0; round < 5; ++round) {
    Receiver receiver(*reader);
    Peer publisher(topic, kPeerTag + round);
    publisher.ask("writer");
    publisher.ask("stream");
    take_for(receiver, std::chrono::microseconds{random() % 5000});
    publisher.stop();
    expect_alive(topic, *writer, *reader);
    publisher.signal(SIGCONT);
    take_for(receiver, std::chrono::milliseconds{2});
    publisher.kill();
    expect_alive(topic, *writer, *reader);  // makes room for the next one
  }
}

void check_stopped_reader(Topic& topic) {
  Peer subscriber(topic, kPeerTag);
  subscriber.ask("reader");
  auto writer = topic.writer();
  Sender sender(*writer, topic.size());
  subscriber.ask("drain");
  for (std::uint64_t round = 0; round < 5; ++round) {
    sender.send(100);
    subscriber.stop();
    sender.send(20 * std::uint64_t{topic.spec.qos.depth});
    subscriber.signal(SIGCONT);
  }
}

void check_evicted_reader(Topic& topic) {
  Peer subscriber(topic, kPeerTag);
  subscriber.ask("reader");
  auto writer = topic.writer();
  Sender sender(*writer, topic.size());
  sender.send(1);
  subscriber.ask("hold 1");
  subscriber.stop();
  sender.send(100 * std::uint64_t{topic.spec.qos.depth});  // only possible without the reader that stands still
  expect_equal(writer->reader_count(), 0U, "readers that would receive a message");
  // It is told so, and it is still a subscriber.
  subscriber.signal(SIGCONT);
  subscriber.tell("take 2");
  while (!subscriber.answered()) sender.send(1);
  subscriber.answer("take a message after its eviction");
  expect_equal(writer->reader_count(), 1U, "readers after the one that was evicted came back");
}

void check_eviction_told(Topic& topic) {
  auto reader = topic.reader();
  auto writer = topic.writer();
  Sender sender(*writer, topic.size());
  Receiver receiver(*reader);
  sender.send(1);
  const auto held = receiver.hold();
  expect(held.has_value(), "a message");
  // By another thread than the one that holds the message, which may not wait for itself.
  std::async(std::launch::async, [&] { sender.send(100 * std::uint64_t{topic.spec.qos.depth}); }).get();
  if (topic.traits().zero_copy) {  // a copy stays what it is
    expect(!reader->valid(*held), "a message that is not valid any more, once its reader was evicted");
  }
  reader->release(*held);
  while (!receiver.receive()) sender.send(1);
  expect_equal(reader->stats().evictions, 1U, "evictions, by the reader's books");
  receiver.receive_all();
  receiver.expect_books(sender.sent());
}

/// Two peers that die with everything open.
void leave_corpses(Topic& topic) {
  Peer publisher(topic, kPeerTag);
  Peer subscriber(topic, kPeerTag);
  publisher.ask("writer");
  subscriber.ask("reader");
  publisher.ask("publish 1");
}

void check_leftovers_removed(Topic& topic) {
  leave_corpses(topic);
  const std::size_t files = topic.files().size();
  const std::size_t removed = topic.transport().remove_leftovers(topic.context());
  const auto left = topic.files();
  expect(left.empty(), "an empty directory after remove_leftovers, found " + (left.empty() ? "" : left.front()));
  expect_equal(removed, files, "files removed, as remove_leftovers says");
  expect_equal(topic.transport().remove_leftovers(topic.context()), 0U, "files removed where none was");
}

void check_leftovers_reused(Topic& topic) {
  leave_corpses(topic);
  topic.spec.type.name = "conformance/Other";  // what the dead agreed on binds nobody
  {
    auto reader = topic.reader();
    expect(!reader->take(), "nothing of what the dead published");
    auto writer = topic.writer();
    if (!topic.traits().foreign_peers) {
      expect_equal(writer->reader_count(), 1U, "readers alive");
      expect_equal(reader->writer_count(), 1U, "writers alive");
    }
    expect_alive(topic, *writer, *reader);
  }
  const auto left = topic.files();
  expect(left.empty(), "an empty directory after the last endpoint, found " + (left.empty() ? "" : left.front()));
}

void check_living_spared(Topic& topic) {
  Peer publisher(topic, kPeerTag);
  publisher.ask("writer");
  auto reader = topic.reader();
  expect_equal(topic.transport().remove_leftovers(topic.context()), 0U, "files removed while they are used");
  Receiver receiver(*reader);
  publisher.ask("publish 1");
  expect(receiver.receive().has_value(), "a message after remove_leftovers");
}

}  // namespace

void add_deaths(Suite& suite) {
  const std::vector<Need> needs{Need::between_processes};
  suite.add("killed_publisher", "a publisher that is killed anywhere blocks nobody and leaves nothing torn", needs,
            check_killed_publisher);
  suite.add("killed_reader", "a reader that is killed with messages in its hands blocks nobody", needs,
            check_killed_reader);
  suite.add("stopped_publisher", "a publisher that is stopped anywhere blocks nobody for ever",
            {Need::between_processes, Need::many_publishers}, check_stopped_publisher);
  suite.add("stopped_reader", "a reader that is stopped blocks nobody on a best_effort topic",
            {Need::between_processes, Need::best_effort_topic}, check_stopped_reader);
  suite.add("stopped_reliable_reader", "a reader that is stopped for longer than evict_after loses its place",
            {Need::between_processes, Need::reliable_topic, Need::evict_after_given}, check_evicted_reader);
  suite.add("told_of_eviction", "who was evicted is told so, and what it held in place is not valid any more",
            {Need::reliable_topic, Need::evict_after_given}, check_eviction_told);
  suite.add("leftovers", "remove_leftovers removes what the dead left", needs, check_leftovers_removed);
  suite.add("next_one", "who comes after the dead begins anew", {Need::between_processes, Need::own_format},
            check_leftovers_reused);
  suite.add("living_spared", "remove_leftovers leaves the living alone", needs, check_living_spared);
}

}  // namespace sluice::conformance
