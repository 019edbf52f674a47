#include <future>

#include "conformance/suite.hpp"
#include "conformance/topic.hpp"

// Opening, joining and leaving.
namespace sluice::conformance {

namespace {

bool at_most(const TransportTraits& some, const TransportTraits& all) {
  return some.zero_copy <= all.zero_copy && some.reliable <= all.reliable &&
         some.many_publishers <= all.many_publishers && some.many_subscribers <= all.many_subscribers &&
         some.latest_value <= all.latest_value && some.foreign_peers <= all.foreign_peers &&
         some.between_processes <= all.between_processes && some.transient_local <= all.transient_local;
}

void check_identity(Topic& topic) {
  expect_equal(topic.transport().name(), topic.spec.transport, "the transport's name");
  for (const PluginInfo& plugin : topic.registry().plugins()) {
    if (plugin.name != topic.spec.transport || !plugin.error.empty()) continue;
    expect(!plugin.version.empty() && !plugin.description.empty(), "a version and a description");
    expect(at_most(topic.traits(), plugin.traits), "no trait of the topic that the plugin does not declare");
    return;
  }
  throw Broken("the plugin is not listed", std::source_location::current());
}

void check_any_order(Topic& topic) {
  {
    auto reader = topic.reader();
    auto writer = topic.writer();
    expect_alive(topic, *writer, *reader);
    writer.reset();
    writer = topic.writer();
    expect_alive(topic, *writer, *reader);
  }
  auto writer = topic.writer();
  auto reader = topic.reader();
  expect_alive(topic, *writer, *reader);
  reader.reset();
  reader = topic.reader();
  expect_alive(topic, *writer, *reader);
}

void check_late_joiner(Topic& topic) {
  auto writer = topic.writer();
  Sender sender(*writer, topic.size());
  sender.send(5);
  auto reader = topic.reader();
  Receiver receiver(*reader);
  expect(!receiver.receive(), "nothing of what was published before the reader joined");
  sender.send(1);
  const auto stamp = receiver.receive();
  expect(stamp.has_value(), "what was published after the reader joined");
  expect_equal(stamp->number, 5U, "the number of the first message");
  expect_equal(receiver.lost(), 0U, "messages lost before the first");
  receiver.expect_books(1);
}

void check_history(Topic& topic) {
  topic.spec.qos.durability = Durability::transient_local;
  topic.spec.qos.history = 3;
  auto writer = topic.writer();
  Sender sender(*writer, topic.size());
  sender.send(5);
  auto reader = topic.reader();
  Receiver receiver(*reader);
  for (std::uint64_t number = 2; number < 5; ++number) {
    const auto stamp = receiver.receive();
    expect(stamp.has_value(), "the last `history` messages for a late joiner");
    expect_equal(stamp->number, number, "the number of a message of the history");
  }
  expect(!receiver.receive(), "no more than the history");
}

void check_no_reader(Topic& topic) {
  auto writer = topic.writer();
  Sender sender(*writer, topic.size());
  sender.send(4 * std::uint64_t{topic.spec.qos.depth});
  expect_equal(writer->stats().published, sender.sent(), "messages published, by the writer's books");
}

void check_counts(Topic& topic) {
  auto writer = topic.writer();
  expect_equal(writer->reader_count(), 0U, "readers before one is there");
  auto reader = topic.reader();
  expect_equal(writer->reader_count(), 1U, "readers");
  expect_equal(reader->writer_count(), 1U, "writers");
  if (topic.traits().many_subscribers) {
    auto second = topic.reader();
    expect_equal(writer->reader_count(), 2U, "readers");
    second.reset();
    expect_equal(writer->reader_count(), 1U, "readers after one left");
  }
  if (topic.traits().many_publishers) {
    auto second = topic.writer();
    expect_equal(reader->writer_count(), 2U, "writers");
    second.reset();
    expect_equal(reader->writer_count(), 1U, "writers after one left");
  }
  writer.reset();
  expect_equal(reader->writer_count(), 0U, "writers after the last one left");
}

void check_one_publisher(Topic& topic) {
  auto first = topic.writer();
  expect_named(refusal<Error>([&] { (void)topic.writer(); }, "a second publisher"), topic.spec.name);
  auto reader = topic.reader();
  expect_alive(topic, *first, *reader);
  first.reset();
  auto next = topic.writer();
  expect_alive(topic, *next, *reader);
}

void check_one_subscriber(Topic& topic) {
  auto first = topic.reader();
  expect_named(refusal<Error>([&] { (void)topic.reader(); }, "a second subscriber"), topic.spec.name);
  auto writer = topic.writer();
  expect_alive(topic, *writer, *first);
  first.reset();
  auto next = topic.reader();
  expect_alive(topic, *writer, *next);
}

void check_topics_apart(Topic& topic) {
  std::vector<std::unique_ptr<Writer>> writers;
  std::vector<std::unique_ptr<Reader>> readers;
  std::uint64_t tag = 0;
  for (const char* name : {"/conformance/a_b", "/conformance/a/b", "/conformance/a__b", "/conformance/A/b",
                           "/conformance/a/b/c", "/conformance_a/b"}) {
    topic.spec.name = name;
    readers.push_back(topic.reader());
    writers.push_back(topic.writer());
    Sender(*writers.back(), topic.size(), ++tag).send();
  }
  for (std::uint64_t i = 0; i < readers.size(); ++i) {
    Receiver receiver(*readers[i]);
    expect(receiver.receive().has_value(), "the topic's own message");
    expect(receiver.last(i + 1).has_value(), "no message of another topic");
    expect(!receiver.receive(), "one message in each topic");
  }
}

void check_domains_apart(Topic& topic) {
  auto reader = topic.reader();
  const TransportContext elsewhere{topic.settings().directory + "/other-domain", {}};
  auto stranger = topic.transport().open_writer(topic.spec, elsewhere);
  Sender(*stranger, topic.size()).send();
  expect(!reader->take(), "nothing of another domain");
}

void check_nothing_left(Topic& topic) {
  for (const bool writer_first : {true, false}) {
    auto writer = topic.writer();
    auto reader = topic.reader();
    expect_alive(topic, *writer, *reader);
    if (writer_first) writer.reset();
    reader.reset();
    writer.reset();
    const auto files = topic.files();
    expect(files.empty(), "an empty directory after the last endpoint, found " + (files.empty() ? "" : files.front()));
  }
}

void check_any_thread(Topic& topic) {
  (void)topic.transport();
  for (int round = 0; round < 30; ++round) {
    std::vector<std::future<void>> threads;
    for (int i = 0; i < 4; ++i) {
      threads.push_back(std::async(std::launch::async, [&] { (void)topic.reader(); }));
      threads.push_back(std::async(std::launch::async, [&] {
        auto writer = topic.writer();
        Sender(*writer, topic.size()).send();
      }));
    }
    for (auto& thread : threads) thread.get();
  }
  auto writer = topic.writer();
  auto reader = topic.reader();
  expect_alive(topic, *writer, *reader);
}

}  // namespace

void add_opening(Suite& suite) {
  suite.add("identity", "the transport is called as its plugin says, and does no more than the plugin declares", {},
            check_identity);
  suite.add("any_order", "either side comes first, leaves and comes back, and messages flow", {}, check_any_order);
  suite.add("late_joiner", "a reader receives what is published after it joined, and nothing older", {},
            check_late_joiner);
  suite.add("history", "transient_local: a late joiner first receives the last `history` messages",
            {Need::transient_local, Need::queue}, check_history);
  suite.add("no_reader", "publishing to nobody succeeds and never waits", {}, check_no_reader);
  suite.add("counts", "writers and readers count each other exactly", {Need::own_format}, check_counts);
  suite.add("one_publisher", "a second publisher is refused while the first is there", {Need::one_publisher},
            check_one_publisher);
  suite.add("one_subscriber", "a second subscriber is refused while the first is there", {Need::one_subscriber},
            check_one_subscriber);
  suite.add("topics_apart", "topics with similar names have nothing in common", {Need::own_format}, check_topics_apart);
  suite.add("domains_apart", "topics of one name in two domains have nothing in common", {Need::own_format},
            check_domains_apart);
  suite.add("nothing_left", "the last endpoint out leaves nothing in the domain's directory", {}, check_nothing_left);
  suite.add("any_thread", "endpoints are opened and closed by many threads at once",
            {Need::many_publishers, Need::many_subscribers}, check_any_thread);
}

}  // namespace sluice::conformance
