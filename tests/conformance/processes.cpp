#include "conformance/peer.hpp"
#include "conformance/suite.hpp"
#include "conformance/topic.hpp"

// Endpoints in different processes.
namespace sluice::conformance {

namespace {

constexpr std::uint64_t kOtherTag = 50;

void check_from_process(Topic& topic) {
  for (const bool reader_first : {true, false}) {
    Peer peer(topic, kOtherTag);
    if (!reader_first) peer.ask("writer");
    auto reader = topic.reader();
    if (reader_first) peer.ask("writer");
    Receiver receiver(*reader);
    const std::uint64_t count = topic.traits().latest_value ? 1 : topic.spec.qos.depth;
    for (std::uint64_t round = 1; round <= 20; ++round) {
      peer.ask("publish " + std::to_string(count));
      receiver.receive_all();
      expect_equal(receiver.received(), round * count, "messages of another process");
    }
    receiver.expect_books(20 * count);
    peer.ask("close");
  }
}

void check_to_process(Topic& topic) {
  Peer peer(topic, kOtherTag);
  peer.ask("reader");
  auto writer = topic.writer();
  Sender sender(*writer, topic.size());
  for (std::uint64_t i = 1; i <= 100; ++i) {
    peer.tell("take " + std::to_string(i));  // asleep or not yet: the moment is luck, the message is not
    sender.send(1);
    peer.answer("take a message");
  }
  peer.ask("close");
}

void check_full_speed(Topic& topic) {
  Peer peer(topic, kOtherTag);
  peer.ask("writer");
  auto reader = topic.reader();
  Receiver receiver(*reader);
  constexpr std::uint64_t kMessages = 50'000;
  peer.tell("publish " + std::to_string(kMessages));
  while (receiver.last(kOtherTag).value_or(0) != kMessages - 1) {
    if (receiver.receive_all() != 0) continue;
    if (const auto wait = reader->arm()) sleep(*wait);
  }
  peer.answer("publish");
  receiver.expect_books(kMessages);
  if (topic.spec.qos.reliability == Reliability::reliable) expect_equal(receiver.lost(), 0U, "messages lost");
}

void check_process_counts(Topic& topic) {
  auto reader = topic.reader();
  Peer publisher(topic, kOtherTag);
  publisher.ask("writer");
  expect_equal(reader->writer_count(), 1U, "writers, one in another process");
  publisher.ask("close");
  expect_equal(reader->writer_count(), 0U, "writers after the one of another process left");
  publisher.ask("writer");
  publisher.kill();
  eventually([&] { return reader->writer_count() == 0; }, "a killed writer is no longer counted");
  reader.reset();

  auto writer = topic.writer();
  Peer subscriber(topic, kOtherTag);
  subscriber.ask("reader");
  expect_equal(writer->reader_count(), 1U, "readers, one in another process");
  subscriber.kill();
  eventually([&] { return writer->reader_count() == 0; }, "a killed reader is no longer counted");
}

void check_last_out(Topic& topic) {
  for (const bool peer_first : {true, false}) {
    Peer peer(topic, kOtherTag);
    peer.ask("writer");
    auto reader = topic.reader();
    if (peer_first) peer.ask("close");
    reader.reset();
    if (!peer_first) peer.ask("close");
    const auto files = topic.files();
    expect(files.empty(), "an empty directory after the last endpoint, found " + (files.empty() ? "" : files.front()));
  }
}

}  // namespace

void add_processes(Suite& suite) {
  const std::vector<Need> needs{Need::between_processes};
  suite.add("from_process", "a process receives what another one publishes", needs, check_from_process);
  suite.add("to_process", "a process that sleeps is woken by what another one publishes", needs, check_to_process);
  suite.add("full_speed", "processes publish and take at full speed: intact, in order, every message accounted for",
            needs, check_full_speed);
  suite.add("count_processes", "writers and readers of other processes are counted, killed ones no longer",
            {Need::between_processes, Need::own_format}, check_process_counts);
  suite.add("last_out", "the last process out leaves nothing in the domain's directory", needs, check_last_out);
}

}  // namespace sluice::conformance
