#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <future>
#include <sstream>

#include <sluice/shm/deadline.hpp>

#include "conformance/suite.hpp"
#include "conformance/topic.hpp"

// Reliable topics: publishers wait.
namespace sluice::conformance {

namespace {

using std::chrono::milliseconds;

/// Publishes until there is no room; the publications that fitted.
std::uint64_t fill_up(Topic& topic, Sender& sender) {
  const std::uint64_t most = 64 * std::uint64_t{topic.spec.qos.depth};
  while (sender.sent() < most) {
    const PublishResult result = sender.send();
    if (result == PublishResult::timeout) return sender.sent();
    expect_equal(result, PublishResult::ok, "the result of publishing");
  }
  throw Broken(std::to_string(most) + " messages fitted into a topic that nobody takes from",
               std::source_location::current());
}

void check_full(Topic& topic) {
  topic.spec.qos.max_blocking_time = milliseconds{30};
  auto writer = topic.writer();
  auto reader = topic.reader();
  Sender sender(*writer, topic.size());
  Receiver receiver(*reader);
  const std::uint64_t fitted = fill_up(topic, sender);
  expect(fitted >= topic.spec.qos.depth, "room for at least `depth` messages");
  const std::int64_t before = shm::monotonic_ns();
  expect_equal(sender.send(), PublishResult::timeout, "publishing on a full topic");
  expect(shm::monotonic_ns() - before >= 30'000'000, "no timeout before max_blocking_time");
  expect_equal(writer->stats().timeouts, 2U, "timeouts, by the writer's books");
  expect_equal(writer->stats().published, fitted, "messages published, by the writer's books");
  expect_equal(receiver.receive_all(), fitted, "messages received");
  receiver.expect_books(fitted);
  // What timed out was not sent and took no sequence number.
  sender.send(1);
  const auto taken = reader->take();
  expect(taken.has_value(), "a message after there was room again");
  if (!topic.traits().foreign_peers) expect_equal(taken->info.sequence, fitted, "its sequence number");
  reader->release(*taken);
}

void check_no_patience(Topic& topic) {
  topic.spec.qos.max_blocking_time = milliseconds{0};
  auto writer = topic.writer();
  auto reader = topic.reader();
  Sender sender(*writer, topic.size());
  Receiver receiver(*reader);
  for (int round = 0; round < 50; ++round) {
    const std::uint64_t before = sender.sent();
    while (sender.send() == PublishResult::ok) {
    }
    expect(sender.sent() > before, "room again after the reader took everything");
    expect_equal(receiver.receive_all(), sender.sent() - before, "messages received");
  }
  expect_equal(receiver.lost(), 0U, "messages lost");
  receiver.expect_books(sender.sent());
}

/// Whether a thread of this process sleeps; one that spins never does.
bool is_asleep(pid_t thread) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
  std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::size_t name_end = text.rfind(')');
  return name_end != std::string::npos && text.size() > name_end + 2 && text[name_end + 2] == 'S';
}

/// A publisher that is stuck in a full topic, in a thread of its own.
class StuckPublisher {
 public:
  StuckPublisher(Topic& topic, Writer& writer, std::uint64_t fitted)
      : result_(std::async(std::launch::async, [this, &topic, &writer, fitted] {
          Sender sender(writer, topic.size(), 2);
          thread_ = static_cast<pid_t>(::syscall(SYS_gettid));
          for (std::uint64_t i = 0; i <= fitted; ++i) sender.send(1);
          return sender.sent();
        })) {
    // A transport that only spins is given a moment: it is stuck somewhere near.
    const shm::Deadline spins = shm::Deadline::after(milliseconds{300});
    while (thread_ == 0 || (!is_asleep(thread_) && !spins.passed())) std::this_thread::yield();
  }
  [[nodiscard]] std::uint64_t sent() { return result_.get(); }

 private:
  std::atomic<pid_t> thread_ = 0;
  std::future<std::uint64_t> result_;
};

/// How many messages fit, found out with a reader that then leaves.
std::uint64_t room(Topic& topic) {
  const auto patient = topic.spec.qos.max_blocking_time;
  topic.spec.qos.max_blocking_time = milliseconds{0};
  auto reader = topic.reader();
  auto writer = topic.writer();
  Sender sender(*writer, topic.size());
  const std::uint64_t fitted = fill_up(topic, sender);
  topic.spec.qos.max_blocking_time = patient;
  return fitted;
}

void check_taking_unblocks(Topic& topic) {
  const std::uint64_t fitted = room(topic);
  for (int round = 0; round < 20; ++round) {
    auto reader = topic.reader();
    auto writer = topic.writer();
    StuckPublisher publisher(topic, *writer, fitted);
    Receiver receiver(*reader);
    receiver.wait_for(fitted + 1);
    expect_equal(publisher.sent(), fitted + 1, "messages sent");
    receiver.expect_books(fitted + 1);
  }
}

void check_leaving_unblocks(Topic& topic) {
  const std::uint64_t fitted = room(topic);
  for (int round = 0; round < 20; ++round) {
    auto reader = topic.reader();
    auto writer = topic.writer();
    StuckPublisher publisher(topic, *writer, fitted);
    reader.reset();
    expect_equal(publisher.sent(), fitted + 1, "messages sent after the reader that was in the way has left");
  }
}

/// The slowest reader counts, and what it does not get nobody gets.
void check_all_or_none(Topic& topic) {
  topic.spec.qos.max_blocking_time = milliseconds{0};
  auto writer = topic.writer();
  auto slow = topic.reader();
  auto fast = topic.reader();
  Sender sender(*writer, topic.size());
  Receiver receiver(*fast);
  for (int i = 0; i < 1000; ++i) {
    if (sender.send() == PublishResult::timeout) break;
    receiver.receive_all();
  }
  expect_equal(sender.send(), PublishResult::timeout, "publishing while one reader takes nothing");
  expect(!receiver.receive(), "nothing of what timed out, at the other reader");
  receiver.expect_books(sender.sent());
  Receiver late(*slow);
  late.receive_all();
  late.expect_books(sender.sent());
  expect_equal(late.lost(), 0U, "messages lost by the slow reader");
}

}  // namespace

void add_reliability(Suite& suite) {
  const std::vector<Need> needs{Need::reliable_topic};
  suite.add("full", "publishing on a full topic times out after max_blocking_time, and nothing was sent", needs,
            check_full);
  suite.add("no_patience", "with max_blocking_time 0 a full topic times out at once, and nothing is lost", needs,
            check_no_patience);
  suite.add("taking_unblocks", "a waiting publisher goes on when its reader takes", needs, check_taking_unblocks);
  suite.add("leaving_unblocks", "a waiting publisher goes on when its reader leaves", needs, check_leaving_unblocks);
  suite.add("all_or_none", "all readers receive a message, or none does",
            {Need::reliable_topic, Need::many_subscribers}, check_all_or_none);
}

}  // namespace sluice::conformance
