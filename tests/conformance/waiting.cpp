#include <array>
#include <atomic>
#include <future>
#include <random>

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/doorbell.hpp>

#include "conformance/single_step.hpp"
#include "conformance/suite.hpp"
#include "conformance/topic.hpp"

// Sleeping until a message comes.
namespace sluice::conformance {

namespace {

/// Arms a reader that has nothing to take. It may find something to do a few times (a hole, an eviction), and whoever
/// rings late for what was taken long ago may be heard.
WaitFor armed(Reader& reader) {
  for (int i = 0; i < 100; ++i) {
    if (const auto wait = reader.arm();
        wait && (wait->word == nullptr || wait->word->load_acquire() == wait->expected)) {
      return *wait;
    }
    expect(!reader.take(), "no message");
  }
  throw Broken("arm keeps saying that there is a message", std::source_location::current());
}

void check_word_changes(Topic& topic) {
  auto reader = topic.reader();
  auto writer = topic.writer();
  Sender sender(*writer, topic.size());
  Receiver receiver(*reader);
  for (int i = 0; i < 100; ++i) {
    const WaitFor wait = armed(*reader);
    expect(wait.at_most.count() > 0, "a time after which a sleeper looks again");
    if (wait.word != nullptr) expect_equal(wait.word->load_acquire(), wait.expected, "the word before a publication");
    sender.send(1);
    if (wait.word != nullptr) expect(wait.word->load_acquire() != wait.expected, "another word after a publication");
    sleep(wait);  // returns at once
    expect(receiver.receive().has_value(), "the message");
  }
}

void check_message_there(Topic& topic) {
  auto reader = topic.reader();
  auto writer = topic.writer();
  Sender sender(*writer, topic.size());
  Receiver receiver(*reader);
  for (int i = 0; i < 20; ++i) {
    sender.send(1);
    expect(!reader->arm(), "no sleep while a message is there");
    expect(receiver.receive().has_value(), "the message");
  }
}

/// One side of a game in which each waits asleep for the other's move.
struct Side {
  std::unique_ptr<Writer> writer;
  std::unique_ptr<Reader> reader;
  std::atomic<std::int64_t> rang_ns = 0;      ///< When the latest publication had returned; stored before:
  std::atomic<std::uint64_t> rung_moves = 0;  ///< How many have returned.
  std::uint64_t slept = 0;
};

/// Sleeps until number `move` is there. A wake-up was lost if the sleep ended by its time, and by then the publication
/// had long returned.
void await(Side& us, const Side& other, std::uint64_t move) {
  Receiver receiver(*us.reader);
  for (;;) {
    if (const auto stamp = receiver.receive()) {
      expect_equal(stamp->number, move, "the number of the move");
      return;
    }
    const auto wait = us.reader->arm();
    if (!wait) continue;
    const std::int64_t until = shm::monotonic_ns() + wait->at_most.count();
    ++us.slept;
    if (!sleep(*wait)) {
      const bool rung = other.rung_moves.load() > move && other.rang_ns.load() < until;
      expect(!rung, "a publication wakes the sleeper (move " + std::to_string(move) + ")");
    }
  }
}

void check_no_wakeup_lost(Topic& topic) {
  std::array<Side, 2> sides;
  const std::string name = topic.spec.name;
  for (std::size_t i = 0; i < 2; ++i) {
    topic.spec.name = name + std::to_string(i);
    sides[i].writer = topic.writer();
    sides[1 - i].reader = topic.reader();
  }
  // Whoever polls is as slow as its period; the others are to meet every interleaving.
  const bool rings = armed(*sides[0].reader).word != nullptr;
  const std::uint64_t moves = rings ? 20'000 : 100;
  const auto play = [&](std::size_t mine) {
    Side& us = sides[mine];
    Side& other = sides[1 - mine];
    Sender sender(*us.writer, topic.size());
    std::mt19937 random(static_cast<std::uint32_t>(mine));
    for (std::uint64_t move = 0; move < moves; ++move) {
      // Otherwise each side would always be asleep long before the other, just woken, comes to its move.
      for (auto pauses = random() % 400; pauses > 0; --pauses) shm::spin_pause();
      if (mine == 1) await(us, other, move);
      sender.send(1);
      us.rang_ns = shm::monotonic_ns();
      us.rung_moves = move + 1;
      for (auto pauses = random() % 400; pauses > 0; --pauses) shm::spin_pause();
      if (mine == 0) await(us, other, move);
    }
  };
  auto opponent = std::async(std::launch::async, play, 1);
  play(0);
  opponent.get();
  expect(sides[0].slept + sides[1].slept > 0, "a game in which somebody slept");
}

/// Instructions from one stop to the next. The cost grows with the square of their number, and most of those in a
/// sanitized build are the sanitizer's.
constexpr std::uint64_t kStride = SLUICE_ADDRESS_SANITIZER ? 29 : 1;

/// A publication between any two instructions of arm: whoever then goes to sleep is woken at once.
void check_published_in_arm(Topic& topic) {
  auto reader = topic.reader();
  auto writer = topic.writer();
  Sender sender(*writer, topic.size());
  Receiver receiver(*reader);
  OtherThread publisher([&] { sender.send(1); });
  const bool rings = armed(*reader).word != nullptr;
  for (std::uint64_t instruction = 1;; instruction += kStride) {
    std::optional<WaitFor> wait;
    const bool met = meanwhile(instruction, publisher, [&] { wait = reader->arm(); });
    if (!met) break;  // arm has no more instructions
    const bool sleeps = wait && rings && wait->word->load_acquire() == wait->expected;
    expect(!sleeps,
           "nobody to sleep when a message was published after instruction " + std::to_string(instruction) + " of arm");
    receiver.wait_for(sender.sent());
  }
  expect(sender.sent() > 0, "an instruction of arm to meet");
}

/// A reader that arms itself between any two instructions of publish finds the message, or is rung.
void check_armed_in_publish(Topic& topic) {
  auto reader = topic.reader();
  auto writer = topic.writer();
  Receiver receiver(*reader);
  std::vector<std::byte> message(topic.size());
  PublishResult result = PublishResult::ok;
  std::optional<WaitFor> wait;
  OtherThread sleeper([&] { wait = reader->arm(); });
  const bool rings = armed(*reader).word != nullptr;
  std::uint64_t sent = 0;
  for (std::uint64_t instruction = 1;; instruction += kStride) {
    wait.reset();
    compose(message, 1, ++sent);
    const bool met = meanwhile(instruction, sleeper, [&] { result = writer->publish_copy(message, 1); });
    expect_equal(result, PublishResult::ok, "the result of publishing");
    const bool sleeps = wait && rings && wait->word->load_acquire() == wait->expected;
    expect(!sleeps, "nobody to sleep who armed after instruction " + std::to_string(instruction) + " of publish");
    receiver.wait_for(sent);
    if (!met) break;
  }
  expect(receiver.received() > 1, "an instruction of publish to meet");
}

}  // namespace

void add_waiting(Suite& suite) {
  suite.add("word_changes", "after arm a publication changes the word that the reader sleeps on", {},
            check_word_changes);
  suite.add("no_sleep", "arm sends nobody to sleep who has a message", {}, check_message_there);
  suite.add("published_in_arm", "a message that comes between any two instructions of arm is slept through by nobody",
            {}, check_published_in_arm);
  suite.add("armed_in_publish", "who arms between any two instructions of publish is not left asleep", {},
            check_armed_in_publish);
  suite.add("wake_up", "no wake-up is lost, whatever the moment", {Need::own_format}, check_no_wakeup_lost);
}

}  // namespace sluice::conformance
