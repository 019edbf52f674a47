#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <span>
#include <thread>
#include <vector>

#include <sluice/shm/doorbell.hpp>
#include <sluice/transport.hpp>

/// What ThreadSanitizer is to judge must not be ordered by the test itself: between the threads of a scenario there are
/// relaxed accesses only, which order nothing. No mutex, no latch, no output while they run.
namespace sluice::test {

/// A condition that did not hold ends the program with exit code 1. (ThreadSanitizer's own is 66.)
inline std::atomic<bool> failed{false};

inline void require(bool holds, const char* what) {
  if (holds) return;
  if (!failed.exchange(true, std::memory_order_relaxed)) std::fprintf(stderr, "race_test: not so: %s\n", what);
}

/// A number that threads tell each other without being ordered by it.
class Signal {
 public:
  void set(std::uint64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
  void add() noexcept { value_.fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }
  void wait_for(std::uint64_t value) const {
    while (this->value() < value) std::this_thread::yield();
  }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// Threads that begin together.
class Crew {
 public:
  void add(std::function<void()> body) { bodies_.push_back(std::move(body)); }

  void run() {
    Signal arrived;
    std::vector<std::thread> threads;
    threads.reserve(bodies_.size());
    for (auto& body : bodies_) {
      threads.emplace_back([&] {
        arrived.add();
        arrived.wait_for(bodies_.size());
        body();
      });
    }
    for (auto& thread : threads) thread.join();
  }

 private:
  std::vector<std::function<void()>> bodies_;
};

/// Every word says the same, so that a message in two parts shows.
struct Message {
  std::array<std::uint64_t, 6> words;

  explicit Message(std::uint64_t number) { words.fill(number); }
};

/// On a busy machine a publisher may be held up for so long that others give its position up (`uncertain`); anything
/// else but success is a fault.
inline void send_number(Writer& writer, std::uint64_t number) {
  const Message message(number);
  const PublishResult result = writer.publish_copy(std::as_bytes(std::span(&message, 1)), 0);
  require(result != PublishResult::timeout, "a publisher gets room in time");
  require(result == PublishResult::ok || result == PublishResult::uncertain, "the message is sent");
}

/// Reads all of it, where it lies.
inline void look_at(const TakenMessage& taken) {
  require(taken.size == sizeof(Message), "a message has the length it was sent with");
  const auto* words = reinterpret_cast<const std::uint64_t*>(taken.data);
  for (std::size_t i = 1; i < taken.size / sizeof *words; ++i) {
    require(words[i] == words[0], "no message is torn");
  }
}

/// Takes one message, reads it and gives it back; whether there was one.
inline bool take_one(Reader& reader) {
  const auto message = reader.take();
  if (!message) return false;
  look_at(*message);
  reader.release(*message);
  return true;
}

enum class Idle { poll, sleep };

/// Between two empty takes.
inline void rest(Reader& reader, Idle idle) {
  if (idle == Idle::poll) {
    std::this_thread::yield();
    return;
  }
  const auto wait = reader.arm();
  if (!wait) return;
  const auto until = shm::Deadline::after(wait->at_most);
  if (wait->word == nullptr) {
    std::this_thread::sleep_for(wait->at_most);
  } else {
    (void)shm::futex_wait(*wait->word, wait->expected, until);
  }
}

inline void take_all(Reader& reader, std::uint64_t messages, Idle idle) {
  for (std::uint64_t received = 0; received < messages;) {
    if (take_one(reader)) {
      ++received;
    } else {
      rest(reader, idle);
    }
  }
}

}  // namespace sluice::test
