#include <algorithm>
#include <array>
#include <atomic>
#include <future>
#include <random>

#include <sluice/shm/deadline.hpp>

#include "conformance/suite.hpp"
#include "conformance/topic.hpp"

// Several messages in one call are the same as one after the other.
namespace sluice::conformance {

namespace {

/// Publishes numbered messages of one tag, several in one call.
class BatchSender {
 public:
  BatchSender(Writer& writer, std::size_t size, std::uint64_t tag = 1) : writer_(writer), size_(size), tag_(tag) {}

  /// The next `count` numbers; a single one now and then as a message of its own. Numbers that were not sent are used
  /// again.
  BatchResult send(std::size_t count) {
    memory_.resize(count * size_);
    payloads_.clear();
    for (std::size_t i = 0; i < count; ++i) {
      const auto message = std::span(memory_).subspan(i * size_, size_);
      compose(message, tag_, next_ + i);
      payloads_.push_back(message);
    }
    const std::uint64_t uncertain = writer_.stats().uncertain;
    const BatchResult batch = count == 1 && next_ % 2 == 0 ? send_one(payloads_.front())
                                                           : writer_.publish_batch(payloads_, shm::monotonic_ns());
    expect(batch.sent <= count, "no more messages sent than there were");
    expect_equal(batch.result == PublishResult::ok, batch.sent == count, "ok when all were sent, and only then");
    next_ += batch.sent + (writer_.stats().uncertain - uncertain);
    return batch;
  }

  [[nodiscard]] std::uint64_t sent() const noexcept { return next_; }

 private:
  BatchResult send_one(std::span<const std::byte> payload) {
    const PublishResult result = writer_.publish_copy(payload, shm::monotonic_ns());
    return {result == PublishResult::ok ? 1U : 0U, result};
  }

  Writer& writer_;
  std::size_t size_;
  std::uint64_t tag_;
  std::uint64_t next_ = 0;
  std::vector<std::byte> memory_;
  std::vector<std::span<const std::byte>> payloads_;
};

/// A reader whose `take` takes batches of random lengths and hands them out one by one, so that a Receiver can be put
/// in front of it.
class BatchReader final : public Reader {
 public:
  explicit BatchReader(Reader& reader) : reader_(reader) {}

  [[nodiscard]] std::optional<TakenMessage> take() noexcept override {
    if (next_ == count_) {
      const std::size_t most = 1 + random_() % taken_.size();
      next_ = 0;
      count_ = reader_.take_batch(std::span(taken_).first(most));
      longest_ = std::max(longest_, count_);
      expect(count_ <= most, "no more messages than there is room for");
    }
    return next_ < count_ ? std::optional(taken_[next_++]) : std::nullopt;
  }
  void release(const TakenMessage& message) noexcept override { reader_.release(message); }
  [[nodiscard]] bool valid(const TakenMessage& message) const noexcept override { return reader_.valid(message); }
  [[nodiscard]] std::optional<WaitFor> arm() noexcept override { return reader_.arm(); }
  [[nodiscard]] std::uint32_t writer_count() const override { return reader_.writer_count(); }
  [[nodiscard]] ReaderStats stats() const noexcept override { return reader_.stats(); }

  /// Messages in the longest batch so far.
  [[nodiscard]] std::size_t longest() const noexcept { return longest_; }

 private:
  Reader& reader_;
  std::mt19937 random_{20250401};
  std::array<TakenMessage, 100> taken_;
  std::size_t next_ = 0;
  std::size_t count_ = 0;
  std::size_t longest_ = 0;
};

/// Messages that are published before anything is taken.
std::uint64_t together(Topic& topic) { return topic.traits().latest_value ? 1 : topic.spec.qos.depth; }

void check_order(Topic& topic) {
  auto writer = topic.writer();
  auto reader = topic.reader();
  BatchReader batches(*reader);
  Receiver receiver(batches);
  BatchSender sender(*writer, topic.size());
  expect_equal(sender.send(0).result, PublishResult::ok, "an empty batch");
  expect(!receiver.receive(), "nothing from an empty batch");
  for (std::uint64_t round = 0; round < 50; ++round) {
    const std::uint64_t count = 1 + round % together(topic);
    expect_equal(sender.send(count).sent, count, "messages sent");
    expect_equal(receiver.receive_all(), count, "messages received");
    expect_equal(receiver.last(1).value_or(0), sender.sent() - 1, "the number of the newest message");
  }
  expect_equal(receiver.lost(), 0U, "messages lost");
  receiver.expect_books(sender.sent());
  expect_equal(writer->stats().published, sender.sent(), "messages published, by the writer's books");
  expect_equal(writer->stats().bytes, sender.sent() * topic.size(), "bytes published, by the writer's books");
  expect(topic.traits().latest_value || batches.longest() > 1, "several messages taken at once");
}

/// Every message of a batch has its own number, and all of them one time.
void check_batch_information(Topic& topic) {
  auto writer = topic.writer();
  auto reader = topic.reader();
  const std::vector<std::byte> message(topic.size());
  const std::vector<std::span<const std::byte>> payloads(topic.spec.qos.depth, message);
  std::vector<TakenMessage> taken(payloads.size() + 1);
  for (std::uint64_t round = 0; round < 5; ++round) {
    const auto when = static_cast<std::int64_t>(1000 + round);
    expect_equal(writer->publish_batch(payloads, when).sent, payloads.size(), "messages sent");
    expect_equal(reader->take_batch(taken), payloads.size(), "messages taken");
    for (std::size_t i = 0; i < payloads.size(); ++i) {
      const MessageInfo& info = taken[i].info;
      expect_equal(taken[i].size, topic.size(), "the size of a message");
      expect_equal(info.sequence, round * payloads.size() + i, "the sequence number");
      expect_equal(info.published_ns, when, "the time of publication");
      expect_equal(info.publisher, writer->id(), "the publisher");
      expect_equal(info.lost, 0U, "messages lost before this one");
      expect(reader->valid(taken[i]), "a message that is held is valid");
      reader->release(taken[i]);
    }
  }
}

/// Nothing of a message that cannot be sent, and nothing behind it.
void check_refused(Topic& topic) {
  auto writer = topic.writer();
  auto reader = topic.reader();
  const std::size_t unit = topic.settings().granularity;
  const std::vector<std::byte> right(topic.size());
  const std::vector<std::byte> long_one(topic.spec.max_size / unit * unit + unit);
  const std::uint64_t before = together(topic) == 1 ? 1 : 2;
  std::vector<std::span<const std::byte>> payloads(before, right);
  payloads.emplace_back(long_one);
  payloads.emplace_back(right);
  const BatchResult batch = writer->publish_batch(payloads, 1);
  expect_equal(batch.result, PublishResult::too_large, "a batch with a message above max_size");
  expect_equal(batch.sent, before, "messages sent: those before it");
  expect_equal(writer->stats().published, before, "messages published, by the writer's books");
  std::uint64_t received = 0;
  while (const auto taken = reader->take()) {
    reader->release(*taken);
    ++received;
  }
  expect_equal(received, before, "messages received");
  expect_alive(topic, *writer, *reader);
}

void check_partial(Topic& topic) {
  topic.spec.qos.max_blocking_time = std::chrono::milliseconds{20};
  auto writer = topic.writer();
  auto reader = topic.reader();
  BatchSender sender(*writer, topic.size());
  Receiver receiver(*reader);
  const std::size_t more_than_fit = 64 * std::size_t{topic.spec.qos.depth};
  for (std::uint64_t round = 1; round <= 3; ++round) {
    const std::uint64_t sent = sender.sent();
    const std::int64_t before = shm::monotonic_ns();
    // Not in the thread that takes, for which there is another result.
    const BatchResult batch = std::async(std::launch::async, [&] { return sender.send(more_than_fit); }).get();
    expect_equal(batch.result, PublishResult::timeout, "a batch that does not fit");
    expect(shm::monotonic_ns() - before >= 20'000'000, "no timeout before max_blocking_time");
    // Later on what the reader gave back last may still be its own business.
    expect(batch.sent >= (round == 1 ? topic.spec.qos.depth : 1), "room for at least `depth` messages");
    expect_equal(writer->stats().timeouts, round, "timeouts, by the writer's books");
    expect_equal(writer->stats().published, sender.sent(), "messages published, by the writer's books");
    expect_equal(receiver.receive_all(), sender.sent() - sent, "messages received: as many as were sent, it was told");
    expect_equal(receiver.last(1).value_or(0), sender.sent() - 1, "the number of the last message that was sent");
    receiver.expect_books(sender.sent());
  }
  expect_equal(receiver.lost(), 0U, "messages lost");
}

/// A batch longer than the topic waits for its reader, message by message.
void check_longer_than_topic(Topic& topic) {
  auto writer = topic.writer();
  auto reader = topic.reader();
  BatchReader batches(*reader);
  Receiver receiver(batches);
  const std::size_t count = 200 * std::size_t{topic.spec.qos.depth};
  auto publishing = std::async(std::launch::async, [&] { return BatchSender(*writer, topic.size()).send(count); });
  receiver.wait_for(count);
  expect_equal(publishing.get().sent, count, "messages sent");
  expect_equal(receiver.lost(), 0U, "messages lost");
  receiver.expect_books(count);
}

void check_batch_overflow(Topic& topic) {
  auto writer = topic.writer();
  auto reader = topic.reader();
  BatchSender sender(*writer, topic.size());
  BatchReader batches(*reader);
  Receiver receiver(batches);
  for (const std::size_t laps : {1U, 3U, 8U, 33U}) {
    const std::uint64_t lost = receiver.lost();
    const std::size_t count = laps * topic.spec.qos.depth + 1;
    expect_equal(sender.send(count).sent, count, "messages sent");
    const std::uint64_t received = receiver.receive_all();
    expect_equal(received + (receiver.lost() - lost), count, "messages received and lost");
    expect_equal(receiver.last(1).value_or(0), sender.sent() - 1, "the number of the newest message");
    receiver.expect_books(sender.sent());
    expect(laps < 3 || receiver.lost() > lost, "messages lost when far more than `depth` were published");
  }
}

/// Batches and single messages of several publishers, in threads, at a reader that takes batches and at one that does
/// not. Receivers require the order of each publisher.
void check_batches_under_load(Topic& topic) {
  constexpr std::uint64_t kMessages = 5'000;
  std::vector<std::unique_ptr<Reader>> readers;
  std::vector<std::unique_ptr<Writer>> writers;
  for (int i = 0; i < (topic.traits().many_subscribers ? 2 : 1); ++i) readers.push_back(topic.reader());
  for (int i = 0; i < (topic.traits().many_publishers ? 3 : 1); ++i) writers.push_back(topic.writer());
  std::vector<std::unique_ptr<BatchReader>> batches;
  std::vector<Receiver> receivers;
  for (auto& reader : readers) {
    batches.push_back(std::make_unique<BatchReader>(*reader));
    receivers.emplace_back(receivers.empty() ? static_cast<Reader&>(*batches.back()) : *reader);
  }

  const auto publish = [&](Writer& writer, std::uint64_t tag) {
    std::mt19937 random(static_cast<std::uint32_t>(tag));
    BatchSender sender(writer, topic.long_size(), tag);
    while (sender.sent() < kMessages) {
      const std::size_t most = random() % 2 == 0 ? 1 : 1 + random() % 80;  // the ring's batches are shorter than that
      const BatchResult batch = sender.send(std::min<std::uint64_t>(most, kMessages - sender.sent()));
      expect(batch.result == PublishResult::ok || batch.result == PublishResult::uncertain,
             "messages that are sent or uncertain, found " + shown(batch.result));
    }
  };
  std::atomic<std::size_t> publishing = writers.size();
  struct Finally {  // also when a publisher fails: the readers wait for it
    explicit Finally(std::atomic<std::size_t>& count) : counter(count) {}
    Finally(const Finally&) = delete;
    Finally& operator=(const Finally&) = delete;
    ~Finally() { --counter; }
    std::atomic<std::size_t>& counter;
  };
  const auto take = [&](Receiver& receiver) {
    for (;;) {
      const bool last_look = publishing == 0;
      if (receiver.receive_all() == 0 && last_look && receiver.books().queued == 0) return;
    }
  };
  std::vector<std::future<void>> threads;
  for (auto& receiver : receivers) threads.push_back(std::async(std::launch::async, [&] { take(receiver); }));
  for (std::size_t i = 0; i < writers.size(); ++i) {
    threads.push_back(std::async(std::launch::async, [&, i] {
      const Finally finally{publishing};
      publish(*writers[i], i + 1);
    }));
  }
  for (auto& thread : threads) thread.get();

  const std::uint64_t published = writers.size() * kMessages;
  for (const Receiver& receiver : receivers) {
    // Between several publishers there may be positions without a message, see under_load.
    const std::uint64_t positions = receiver.books().reserved - receiver.books().joined;
    expect(positions >= published, "a position for every message");
    receiver.expect_books(writers.size() == 1 ? published : positions);
    if (topic.spec.qos.reliability != Reliability::reliable) continue;
    expect_equal(receiver.lost(), 0U, "messages lost");
    expect_equal(receiver.received() + receiver.books().skipped, positions, "messages received, and holes");
  }
  std::uint64_t counted = 0;
  for (const auto& writer : writers) counted += writer->stats().published;
  expect_equal(counted, published, "messages published, by the writers' books");
}

}  // namespace

void add_batches(Suite& suite) {
  suite.add("batches", "the messages of a batch are taken in its order, in batches or one by one", {}, check_order);
  suite.add("batch_information", "the messages of a batch have one time and numbers of their own",
            {Need::own_format, Need::queue}, check_batch_information);
  suite.add("batch_refused", "a batch ends before a message above max_size and tells how many were sent", {},
            check_refused);
  suite.add("batch_partial", "a batch that finds no room in time tells how many were sent", {Need::reliable_topic},
            check_partial);
  suite.add("batch_waits", "a batch longer than the topic is sent as its reader takes", {Need::reliable_topic},
            check_longer_than_topic);
  suite.add("batch_overflow", "what is lost of a batch is counted, and told with the message behind it",
            {Need::queue, Need::best_effort_topic}, check_batch_overflow);
  suite.add("batches_under_load",
            "batches and single messages of several publishers: intact, each one's in order, all accounted for", {},
            check_batches_under_load);
}

}  // namespace sluice::conformance
