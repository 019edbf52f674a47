#include <catch2/catch.hpp>

#include <array>
#include <atomic>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <sluice/sanitizers.hpp>
#include <sluice/slick/untyped_queue.hpp>

#include "conformance/expect.hpp"
#include "conformance/single_step.hpp"

using namespace sluice::slick;
using sluice::conformance::meanwhile;
using sluice::conformance::NotCheckable;
using sluice::conformance::OtherThread;

namespace {

constexpr std::uint32_t kCapacity = 8;

void publish_run(UntypedQueue& queue, std::uint32_t n) {
  const std::uint64_t index = queue.reserve(n);
  for (std::uint64_t i = index; i < index + n; ++i) std::memcpy(queue.ring().element(i), &i, sizeof i);
  queue.publish(index, n);
}

/// What a reader got, which must be whole, in order and in the books.
struct Reading {
  std::uint64_t cursor = 0;
  std::atomic<std::uint64_t> group{0};  // of the shared cursor
  std::uint64_t elements = 0;
  std::uint64_t discarded = 0;
  std::uint64_t expected = 0;  // no message begins before this any more
  std::vector<std::string> wrong;

  void deliver(const Ring::Message& message, const std::array<std::uint64_t, kCapacity>& copy) {
    if (message.index < expected) wrong.push_back("message " + std::to_string(message.index) + " twice or too late");
    for (std::uint64_t i = 0; i < message.size; ++i) {
      if (copy[i] != message.index + i) wrong.push_back("message " + std::to_string(message.index) + " is torn");
    }
    expected = message.index + message.size;
    elements += message.size;
  }
};

using Copy = std::array<std::uint64_t, kCapacity>;
Copy copy_of(const UntypedQueue& queue, const Ring::Message& message) {
  Copy copy{};
  std::memcpy(copy.data(), queue.ring().element(message.index), 8 * std::size_t{message.size});
  return copy;
}

/// Reads once; whether there was something.
using ReadOnce = std::function<bool(UntypedQueue&, Reading&)>;

bool read_copying(UntypedQueue& queue, Reading& reading) {
  Copy copy{};
  const auto message = queue.read(reading.cursor, [&](const Ring::Message& found) { copy = copy_of(queue, found); });
  if (message) reading.deliver(*message, copy);
  return message.has_value();
}

bool look(UntypedQueue& queue, Reading& reading, const std::optional<Ring::Message>& message) {
  if (!message) return false;
  const Copy copy = copy_of(queue, *message);
  if (queue.still_valid(message->index)) {
    reading.deliver(*message, copy);
  } else {
    reading.discarded += message->size;
  }
  return true;
}

bool read_in_place(UntypedQueue& queue, Reading& reading) { return look(queue, reading, queue.read(reading.cursor)); }

bool read_shared(UntypedQueue& queue, Reading& reading) {
  const bool any = look(queue, reading, queue.read(reading.group));
  reading.cursor = reading.group.load();
  return any;
}

/// Lets producers act behind each instruction of a read, one after the other.
void check_every_instruction(const ReadOnce& read_once, const std::vector<std::uint32_t>& before,
                             const std::vector<std::uint32_t>& meanwhile_published) {
  QueueOptions waits_for_holes;
  waits_for_holes.hole_timeout = std::chrono::nanoseconds{0};
  UntypedQueue* target = nullptr;
  OtherThread producer([&] {
    for (const std::uint32_t n : meanwhile_published) publish_run(*target, n);
  });
  bool met = true;
  std::uint64_t instruction = 1;
  for (; met && instruction < 20000; ++instruction) {
    std::array<std::uint64_t, kCapacity> memory{};
    UntypedQueue queue(kCapacity, 8, reinterpret_cast<std::byte*>(memory.data()), waits_for_holes);
    for (const std::uint32_t n : before) publish_run(queue, n);
    Reading reading;
    target = &queue;
    met = meanwhile(instruction, producer, [&] { read_once(queue, reading); });
    while (read_once(queue, reading)) {
    }
    INFO("behind instruction " << instruction);
    REQUIRE(reading.wrong == std::vector<std::string>{});
    REQUIRE(reading.cursor == queue.initial_reading_index());
    REQUIRE(reading.cursor == reading.elements + reading.discarded + queue.loss_count() + queue.skipped_count());
  }
  CHECK(instruction > 20);
  CHECK_FALSE(met);
}

}  // namespace

TEST_CASE("wherever producers act during a read, nothing is torn or delivered twice, and the books are right") {
  if (SLUICE_ADDRESS_SANITIZER == 1 || SLUICE_THREAD_SANITIZER == 1) return;  // many times as many instructions
  const auto [kind, read_once] = GENERATE(table<std::string, ReadOnce>(
      {{"copying", read_copying}, {"in place", read_in_place}, {"shared cursor", read_shared}}));
  using Sizes = std::vector<std::uint32_t>;
  const auto [before, then] = GENERATE(table<Sizes, Sizes>({{Sizes(8, 1), Sizes(11, 1)}, {Sizes(3, 3), Sizes(1, 1)}}));
  INFO(kind << ", " << before.size() << " before, " << then.size() << " meanwhile");
  try {
    check_every_instruction(read_once, before, then);
  } catch (const NotCheckable& reason) {
    WARN(reason.what());
  }
}
