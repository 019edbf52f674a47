#pragma once

#include <cstring>
#include <memory>
#include <optional>

#include <sluice/slick/ring.hpp>
#include <sluice/slick/untyped_queue.hpp>

#include "fuzz/input.hpp"

/// What must hold for a reader of a ring, whatever is in the ring. "Quiet" means that nobody stores meanwhile.
namespace sluice::fuzz {

using slick::Ring;
using slick::RingMemory;
using slick::UntypedQueue;

/// A ring's memory in three blocks of exactly their sizes, so that AddressSanitizer notices the first byte beyond each.
/// All zeros.
class ExactRing {
 public:
  ExactRing(std::uint32_t capacity, std::uint32_t element_size, bool tracks_last_published)
      : header_(std::make_unique<slick::RingHeader>()),
        slots_(std::make_unique<slick::RingSlot[]>(capacity)),
        elements_(std::make_unique<std::byte[]>(std::size_t{capacity} * element_size)),
        memory_{header_.get(), slots_.get(), elements_.get(), capacity, element_size, tracks_last_published} {}

  /// A copy of another ring.
  explicit ExactRing(const RingMemory& other)
      : ExactRing(other.capacity, other.element_size, other.tracks_last_published) {
    copy(header_.get(), other.header, sizeof *other.header);
    copy(slots_.get(), other.slots, other.capacity * sizeof *other.slots);
    copy(elements_.get(), other.elements, std::size_t{other.capacity} * other.element_size);
  }

  [[nodiscard]] const RingMemory& memory() const { return memory_; }

 private:
  static void copy(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }

  std::unique_ptr<slick::RingHeader> header_;
  std::unique_ptr<slick::RingSlot[]> slots_;
  std::unique_ptr<std::byte[]> elements_;
  RingMemory memory_;
};

/// A thread in a stream of messages polls a place some times before it looks closely; these are enough for two looks.
inline constexpr int kPolls = 70;

/// The next message that is there.
template <typename Cursor>
std::optional<Ring::Message> poll(UntypedQueue& queue, Cursor& cursor) {
  std::optional<Ring::Message> message;
  for (int i = 0; i < kPolls && !message; ++i) message = queue.read(cursor);
  return message;
}

/// Any message that a reader is given: its elements lie inside the ring.
inline void demand_inside(const Ring& ring, const Ring::Message& message) {
  const std::uint64_t first = message.index & (ring.capacity() - 1);
  demand(message.size != 0 && message.size <= ring.capacity() - first, "a message lies inside the array");
  touch(ring.element(message.index), std::size_t{message.size} * ring.element_size());
}

/// A message of a quiet ring: it is of the last lap and was reserved.
inline void demand_current(const Ring& ring, const Ring::Message& message) {
  demand_inside(ring, message);
  const std::uint64_t end = ring.reserved();
  demand(message.index < end && message.size <= end - message.index, "a message was reserved");
  demand(end - message.index <= ring.capacity(), "a message is of the last lap");
}

/// How far a cursor went in all: a reset under it does not count as a way back.
inline std::uint64_t way(const Ring::Cursor& cursor) { return cursor.before_reset + cursor.next; }

/// Ring::read, and that the books balance after it: every element that the cursor passed was lost, skipped or read.
template <typename Copy>
Ring::Found read_checked(const Ring& ring, Ring::Cursor& cursor, Ring::Message& message, Ring::Effort effort,
                         Copy copy) {
  const Ring::Cursor before = cursor;
  const Ring::Found found = ring.read(cursor, message, effort, [&](const std::byte* first, std::size_t bytes) {
    touch(first, bytes);
    copy();
  });
  const std::uint64_t read = found == Ring::Found::message ? message.size : 0;
  demand(way(cursor) - way(before) == cursor.lost - before.lost + (cursor.skipped - before.skipped) + read,
         "what a cursor passed is lost, skipped or read");
  if (found == Ring::Found::message) {
    demand_inside(ring, message);
    demand(cursor.next == message.index + message.size, "the cursor stands behind the message");
  }
  return found;
}

/// Reads a quiet ring to its end and over its holes: there are at most as many messages as elements.
inline void drain(const Ring& ring, Ring::Cursor cursor) {
  Ring::Message message;
  for (std::uint32_t steps = 0;; ++steps) {
    demand(steps <= 2 * ring.capacity(), "reading a quiet ring comes to an end");
    const Ring::Found found = read_checked(ring, cursor, message, Ring::Effort::close, [] {});
    if (found == Ring::Found::message) {
      demand_current(ring, message);
      continue;
    }
    const Ring::Cursor before = cursor;
    if (found == Ring::Found::nothing || !ring.skip_hole(cursor)) return;
    demand(cursor.next > before.next && cursor.next - before.next == cursor.skipped - before.skipped,
           "a hole that was given up is counted");
  }
}

/// The same through a queue, with a private cursor; the last cursor position.
inline std::uint64_t drain(UntypedQueue& queue, std::uint64_t cursor) {
  std::uint32_t messages = 0;
  for (int idle = 0; idle < kPolls;) {  // a hole is given up at the second look
    const std::uint64_t before = cursor;
    const bool reset = before > queue.ring().reserved();
    const std::uint64_t missed = queue.loss_count() + queue.skipped_count();
    const auto message = queue.read(cursor, [&](const Ring::Message& found) { demand_inside(queue.ring(), found); });
    const std::uint64_t passed = queue.loss_count() + queue.skipped_count() - missed + (message ? message->size : 0);
    demand(reset || cursor - before == passed, "what a cursor passed is lost, skipped or read");
    if (!message) {
      ++idle;
      continue;
    }
    demand_current(queue.ring(), *message);
    demand(cursor == message->index + message->size, "the cursor stands behind the message");
    demand(++messages <= queue.size(), "reading a quiet ring comes to an end");
  }
  return cursor;
}

/// The same with a shared cursor.
inline void drain(UntypedQueue& queue, std::atomic<std::uint64_t>& cursor) {
  std::uint32_t messages = 0;
  for (int idle = 0; idle < kPolls;) {
    const auto message = queue.read(cursor);
    if (!message) {
      ++idle;
      continue;
    }
    demand_current(queue.ring(), *message);
    demand(cursor.load() == message->index + message->size, "the shared cursor stands behind the message");
    demand(++messages <= queue.size(), "reading a quiet ring comes to an end");
  }
}

/// The newest message of a quiet ring.
inline void demand_last(const Ring& ring) {
  Ring::Message message;
  if (!ring.find_last(message)) return;
  demand_current(ring, message);
  demand(ring.slot(message.index).data_index.load_relaxed() == message.index, "the newest message was published");
}

}  // namespace sluice::fuzz
