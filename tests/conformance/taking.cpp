#include <algorithm>
#include <fstream>
#include <random>
#include <sstream>

#include "conformance/suite.hpp"
#include "conformance/topic.hpp"

// Memory that messages are read from.
namespace sluice::conformance {

namespace {

/// How many messages a reader may hold while publishers still find room.
std::uint64_t may_be_held(const Topic& topic) { return std::max<std::uint64_t>(1, topic.spec.qos.depth / 2); }

void check_empty(Topic& topic) {
  auto reader = topic.reader();
  for (int i = 0; i < 1000; ++i) expect(!reader->take(), "nothing on a topic without publications");
  auto writer = topic.writer();
  Sender sender(*writer, topic.size());
  sender.send(1);
  Receiver receiver(*reader);
  expect(receiver.receive().has_value(), "the message");
  for (int i = 0; i < 1000; ++i) expect(!reader->take(), "no message twice");
  receiver.expect_books(1);
}

/// Messages that the reader has not given back, with what was in them when they were taken.
struct Held {
  TakenMessage message;
  std::vector<std::byte> bytes;

  explicit Held(const TakenMessage& taken) : message(taken), bytes(taken.data, taken.data + taken.size) {}
  [[nodiscard]] bool intact() const { return std::equal(bytes.begin(), bytes.end(), message.data); }
};

void check_held(Topic& topic) {
  auto writer = topic.writer();
  auto reader = topic.reader();
  Sender sender(*writer, topic.size());
  Receiver receiver(*reader);
  std::vector<Held> held;
  for (std::uint64_t i = 0; i < may_be_held(topic); ++i) {
    sender.send(1);
    const auto message = receiver.hold();
    expect(message.has_value(), "the message");
    held.emplace_back(*message);
  }
  // A reliable topic has this much room beside what is held; any other may go round several times.
  const bool reliable = topic.spec.qos.reliability == Reliability::reliable;
  sender.send(reliable ? topic.spec.qos.depth - may_be_held(topic) : 8 * std::uint64_t{topic.spec.qos.depth});
  for (const Held& one : held) {
    expect(reader->valid(one.message), "a message that is held is valid");
    expect(one.intact(), "the bytes of a message until it is released");
  }
  for (const Held& one : held) reader->release(one.message);
  receiver.receive_all();
  receiver.expect_books(sender.sent());
}

void check_release_order(Topic& topic) {
  auto writer = topic.writer();
  auto reader = topic.reader();
  Sender sender(*writer, topic.size());
  Receiver receiver(*reader);
  std::mt19937 random{20250101};
  std::vector<Held> held;
  for (std::uint64_t i = 0; i < 40 * std::uint64_t{topic.spec.qos.depth}; ++i) {
    // Reliable publishers may have to wait for the oldest message that is held, so it does not stay for ever.
    if (held.size() == may_be_held(topic)) {
      std::shuffle(held.begin(), held.end(), random);
      for (const Held& one : held) {
        expect(one.intact(), "the bytes of a message until it is released");
        reader->release(one.message);
      }
      held.clear();
    }
    sender.send(1);
    const auto message = receiver.hold();
    expect(message.has_value(), "the message");
    held.emplace_back(*message);
  }
  for (const Held& one : held) reader->release(one.message);
  receiver.expect_books(sender.sent());
  expect_equal(receiver.lost(), 0U, "messages lost");
}

/// Whether `address` is in memory that is mapped shared.
bool is_shared_memory(const void* address) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::istringstream fields(line);
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    char dash = 0;
    std::string rights;
    fields >> std::hex >> begin >> dash >> end >> rights;
    if (wanted >= begin && wanted < end) return rights.size() > 3 && rights[3] == 's';
  }
  return false;
}

void check_zero_copy(Topic& topic) {
  auto writer = topic.writer();
  auto reader = topic.reader();
  const std::size_t size = topic.spec.max_size;  // short messages may be cheaper to copy
  const LoanedBuffer loan = writer->loan(size);
  expect(loan.data != nullptr, "a loan");
  compose({loan.data, size}, 1, 1);
  const std::byte* const written = loan.data;
  expect_equal(writer->publish(loan, size, 1), PublishResult::ok, "publishing");
  const auto taken = reader->take();
  expect(taken.has_value(), "the message");
  expect(taken->data == written || is_shared_memory(taken->data),
         "the loan's own memory at the reader, or memory that is mapped shared: this is a private copy");
  reader->release(*taken);
}

}  // namespace

void add_taking(Suite& suite) {
  suite.add("empty", "taking where nothing is gives nothing, and no message comes twice", {}, check_empty);
  suite.add("held_messages", "a message stays as it is until it is released, whatever is published meanwhile", {},
            check_held);
  suite.add("release_order", "messages are released in any order", {}, check_release_order);
  suite.add("zero_copy", "readers see the transport's own memory", {Need::zero_copy}, check_zero_copy);
}

}  // namespace sluice::conformance
