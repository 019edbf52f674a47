#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice {

/// Which publisher sent a message: unique within its topic for the topic's lifetime. 0: unknown (foreign programs).
using PublisherId = std::uint64_t;

/// What is known about a received message.
struct MessageInfo {
  std::uint64_t sequence = 0;     ///< Counts this publisher's messages from 0.
  std::int64_t published_ns = 0;  ///< CLOCK_MONOTONIC at publication; 0: unknown (timestamps off, foreign programs).
  PublisherId publisher = 0;      ///< Who counts in `sequence`.
  std::uint64_t lost = 0;         ///< Messages lost by this subscription since the one before.
  bool redelivered = false;       ///< Groups: another member had claimed it and died or was evicted: maybe seen twice.
};

/// How a publication ended.
enum class PublishResult : std::uint8_t {
  ok,          ///< Sent.
  timeout,     ///< reliable: no room within max_blocking_time; nothing was sent.
  too_large,   ///< Longer than the topic's max_size; nothing was sent.
  wrong_size,  ///< Raw topics: not a whole number of elements; nothing was sent.
  uncertain,   ///< This process was stopped for so long in the middle that others gave the position up: readers may or
               ///< may not have received the message. Never repeated by Sluice.
  out_of_chunks,  ///< Every chunk that is large enough is lent, held by a reader, or not yet taken; nothing was sent.
  own_subscription_full,  ///< reliable: it is full for a subscription that this very thread takes from, so that waiting
                          ///< would wait for itself; nothing was sent.
};

/// How the publication of several messages ended.
struct BatchResult {
  std::size_t sent = 0;                      ///< Messages sent, from the first on. With `uncertain`: before those.
  PublishResult result = PublishResult::ok;  ///< Why it ended there.
};

/// A writer's books, all since it was opened.
struct WriterStats {
  std::uint64_t published = 0;  ///< Messages sent.
  std::uint64_t bytes = 0;      ///< Their payload.
  std::uint64_t timeouts = 0;   ///< Publications that ended with PublishResult::timeout.
  std::uint64_t uncertain = 0;  ///< Publications that ended with PublishResult::uncertain.
};

/// A reader's books, in positions of the topic (on Sluice topics a position is a message):
/// reserved - joined = received + lost + skipped + queued.
struct ReaderStats {
  std::uint64_t joined = 0;       ///< The position this reader began at.
  std::uint64_t reserved = 0;     ///< Positions granted to publishers so far.
  std::uint64_t received = 0;     ///< Taken.
  std::uint64_t lost = 0;         ///< Overwritten before they were taken.
  std::uint64_t skipped = 0;      ///< Holes that publishers left who died or were stopped.
  std::uint64_t queued = 0;       ///< Not yet taken, publications in flight included. Derived from the others.
  std::uint64_t bytes = 0;        ///< Payload bytes received.
  std::uint64_t evictions = 0;    ///< Times this reader held publishers up for too long and lost its place.
  std::uint64_t redelivered = 0;  ///< Groups: taken over from a member that died or was evicted; not in `received`.
};

}  // namespace sluice
