#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <sluice/eshm/layout.hpp>
#include <sluice/export.hpp>
#include <sluice/shm/deadline.hpp>
#include <sluice/shm/doorbell.hpp>
#include <sluice/shm/kill_point.hpp>
#include <sluice/shm/poll_pace.hpp>
#include <sluice/shm/unvalidated_copy.hpp>

/// One direction of a channel: a slot that holds the latest message. One writer, any number of readers, and readers
/// never hold the writer up.
///
/// Who writes what: the writer `sequence`, `data_size`, data, `write_count` and `wake_seq`; readers `read_count` and
/// `waiters`, and nothing in memory that they have mapped read-only.
///
/// Invariants:
///  1. `sequence` is odd before the first store of a write and even after its last: a reader that finds the same even
///     value before and after its copy has the message whole (fences: mailbox.hpp, write and take).
///  2. A write counts when `sequence` becomes even. So the even values are the messages' identities, and half their
///     distance is how many there were, also when a writer died before it added to `write_count`.
///  3. A writer that died inside a write leaves an odd value. The next write keeps it odd (`q | 1`) until its own data
///     is whole, so nobody ever sees the torn data under an even value.
namespace sluice::eshm {

/// Where a mailbox lies in mapped memory; the sizes are copies of what was checked.
struct MailboxMemory {
  MailboxHead* head = nullptr;  ///< nullptr: none.
  std::byte* data = nullptr;    ///< max_size bytes.
  MailboxTail* tail = nullptr;  ///< Behind them.
  std::size_t max_size = 0;     ///< In bytes.
  bool wakes = false;           ///< `wake_seq` and `waiters` exist (protocol 3) and may be used.
  bool read_only = false;       ///< Mapped for reading: its reader leaves no trace, and nobody can wake it.
};

/// Writes a mailbox. The caller has the right to (one writer at a time).
class MailboxWriter {
 public:
  MailboxWriter() = default;
  /// Of `memory`, which outlives it.
  explicit MailboxWriter(const MailboxMemory& memory) noexcept : memory_(memory) {}

  /// Replaces the message; at most max_size bytes, which the caller has checked. Never blocks; one system call if a
  /// reader sleeps.
  void write(std::span<const std::byte> message) noexcept {
    MailboxHead& head = *memory_.head;
    MailboxTail& tail = *memory_.tail;
    const std::uint32_t busy = head.sequence.load_relaxed() | 1U;
    head.sequence.store_relaxed(busy);
    SLUICE_KILL_POINT("mailbox.write.odd");
    shm::fence_release();  // pairs with take's: who reads a byte stored below finds `sequence` changed
    copy(message);
    head.data_size.store_relaxed(static_cast<std::uint32_t>(message.size()));
    SLUICE_KILL_POINT("mailbox.write.data");
    head.sequence.store_release(busy + 1);
    SLUICE_KILL_POINT("mailbox.write.even");
    tail.write_count.store_release(tail.write_count.load_relaxed() + 1);
    SLUICE_KILL_POINT("mailbox.write.counted");
    if (!memory_.wakes) return;
    tail.wake_seq.fetch_add_seq_cst(1);
    SLUICE_KILL_POINT("mailbox.write.wake_seq");
    shm::fence_after_seq_cst_rmw();
    if (tail.waiters.load_seq_cst() != 0) shm::futex_wake_all(tail.wake_seq);
  }

  /// In bytes.
  [[nodiscard]] std::size_t max_size() const noexcept { return memory_.max_size; }

 private:
  void copy(std::span<const std::byte> message) noexcept {
    if (message.empty()) return;
    if constexpr (shm::kKillPoints) {
      const std::size_t half = message.size() / 2;
      std::memcpy(memory_.data, message.data(), half);
      SLUICE_KILL_POINT("mailbox.write.half");
      std::memcpy(memory_.data + half, message.data() + half, message.size() - half);
    } else {
      std::memcpy(memory_.data, message.data(), message.size());
    }
  }

  MailboxMemory memory_;
};

/// Reads a mailbox, each message at most once. Used by one thread at a time.
class MailboxReader {
 public:
  /// Which message is the first.
  enum class From : std::uint8_t {
    next,     ///< The first that is completed from now on.
    current,  ///< The one that is there, if any.
    first,    ///< Every message since the segment was made counts; the latest is delivered.
  };

  /// How a look ended.
  enum class Found : std::uint8_t {
    message,      ///< Copied.
    nothing,      ///< None that is new, or one is being written.
    no_room,      ///< One is there and was not taken: the caller's `accept` said no.
    interrupted,  ///< A write has been in progress for longer than kLongestWrite: its writer died or is stopped.
  };

  /// A message's size, and what was overwritten before it.
  struct Message {
    std::size_t size = 0;         ///< In bytes.
    std::uint64_t conflated = 0;  ///< Completed after the one before and replaced unread.
    std::uint64_t number = 0;     ///< Counts the mailbox's completed writes from 0.
  };

  /// What this reader did. completed - joined = received + conflated + what is new in the mailbox.
  struct Books {
    std::uint64_t joined = 0;       ///< Writes completed before this reader's first.
    std::uint64_t received = 0;     ///< Messages taken.
    std::uint64_t conflated = 0;    ///< Messages that others replaced before they were taken.
    std::uint64_t interrupted = 0;  ///< Writes found in progress for longer than kLongestWrite.
    std::uint64_t damaged = 0;      ///< Messages with an impossible size, counted in `conflated` too.
    bool approximate = false;  ///< A program inverted the parity of `sequence` (hazard H1): counts from write_count.
  };

  /// How long a write may take before readers report it.
  static constexpr std::chrono::nanoseconds kLongestWrite = std::chrono::milliseconds{100};

  MailboxReader() = default;

  /// Begins to read `memory`, which outlives this reader or its next start. The books go on.
  SLUICE_EXPORT void start(const MailboxMemory& memory, From from) noexcept;

  /// Counts writes to a mailbox that was made and replaced between two starts of this reader.
  void pass_over(std::uint64_t writes) noexcept {
    completed_ += writes;
    books_.conflated += writes;
  }

  /// Takes the next message if there is one: `accept(size)` gives the memory to copy to, or nullptr to leave the
  /// message where it is. It may be called more than once. Never blocks.
  template <typename Accept>
  [[nodiscard]] Found take(Accept accept, Message& message) noexcept {
    return take_by(
        [&](std::size_t size) noexcept {
          std::byte* const target = accept(size);
          if (target != nullptr) shm::copy_unvalidated(target, memory_.data, size);
          return target != nullptr;
        },
        message);
  }

  /// As take, for who wants to know of the message and not its data: costs the same for every size.
  [[nodiscard]] Found take_header(Message& message) noexcept {
    return take_by([](std::size_t /*size*/) noexcept { return true; }, message);
  }

  /// Whether take would find something new.
  [[nodiscard]] bool ready() const noexcept {
    const std::uint32_t sequence = memory_.head->sequence.load_acquire();
    return sequence != last_ && (sequence & 1U) == parity_;
  }

  /// Sleeps until something may be new: at most until the deadline and for kLongestPark. Ready at once is no sleep.
  SLUICE_EXPORT void park(shm::Deadline deadline) noexcept;

  /// How long to wait between two looks where nobody rings.
  [[nodiscard]] std::chrono::nanoseconds poll_period() const noexcept {
    const bool busy = shm::monotonic_coarse_ns() - traffic_ns_ < shm::kBusyFor.count();
    return until_next_look(busy ? shm::kBusyPoll : kRestLook);
  }

  /// What an executor sleeps on; see arm.
  struct Sleep {
    const shm::SharedAtomic<std::uint32_t>* word = nullptr;  ///< nullptr: nobody rings.
    std::uint32_t expected = 0;                              ///< Sleep while the word has this value.
    std::chrono::nanoseconds at_most{};                      ///< Then look again.
  };

  /// Announces a sleeper and says how to sleep; the next `disarm` takes it back. Look with `ready` in between.
  [[nodiscard]] SLUICE_EXPORT Sleep arm() noexcept;

  /// Takes back what arm announced; nothing if it did not.
  void disarm() noexcept {
    if (!armed_) return;
    memory_.tail->waiters.fetch_add_relaxed(UINT32_MAX);
    armed_ = false;
  }

  /// Writes completed by now, counted on over restarts of the segment.
  [[nodiscard]] SLUICE_EXPORT std::uint64_t completed() const noexcept;

  /// Since this reader was made.
  [[nodiscard]] const Books& books() const noexcept { return books_; }

  /// A sleeper looks again after this time: a writer of protocol 2 wakes nobody, also not in a segment of protocol 3.
  static constexpr std::chrono::nanoseconds kLongestPark = std::chrono::milliseconds{50};

  /// How often an idle reader looks where nobody rings: rarer than shm::kRestPoll, because there may be a hundred of
  /// them in a process, each with a thread of its own to wake.
  static constexpr std::chrono::nanoseconds kRestLook = std::chrono::milliseconds{9};

 private:
  static constexpr int kAttempts = 16;

  /// `copy(size)` copies the data, and says whether there was room.
  template <typename Copy>
  [[nodiscard]] Found take_by(Copy copy, Message& message) noexcept {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      const std::uint32_t sequence = memory_.head->sequence.load_acquire();
      if (sequence == last_) {
        unrest_ = {};
        return Found::nothing;
      }
      if ((sequence & 1U) != parity_ && !at_rest_after_all(sequence)) {
        return unrest_.reported ? Found::interrupted : Found::nothing;
      }
      const std::uint64_t before = memory_.tail->write_count.load_relaxed();
      const std::size_t size = memory_.head->data_size.load_relaxed();
      const bool possible = size <= memory_.max_size;
      const bool copied = possible && copy(size);
      shm::fence_acquire();
      if (memory_.head->sequence.load_relaxed() != sequence) continue;
      const std::uint64_t after = memory_.tail->write_count.load_relaxed();
      if (after - before > 1) continue;  // 2^31 writes during the copy (hazard H6)
      if (possible && !copied) return Found::no_room;
      deliver(sequence, after, message);
      message.size = size;
      if (possible) return Found::message;
      ++books_.damaged;  // nobody's message: whoever wrote it keeps to no format
      ++books_.conflated;
      --books_.received;
    }
    return Found::nothing;
  }

  /// Whether the parity that means "in progress" has come to mean "at rest" (hazard H1). Notes how long that lasts.
  SLUICE_EXPORT bool at_rest_after_all(std::uint32_t sequence) noexcept;
  void invert_parity(std::uint32_t sequence) noexcept;
  [[nodiscard]] SLUICE_EXPORT std::chrono::nanoseconds until_next_look(std::chrono::nanoseconds period) const noexcept;
  SLUICE_EXPORT void deliver(std::uint32_t sequence, std::uint64_t write_count, Message& message) noexcept;
  void learn_whether_the_writer_wakes(std::uint64_t write_count) noexcept;

  MailboxMemory memory_;
  Books books_;
  std::uint32_t last_ = 0;           ///< The sequence delivered last, or the baseline.
  std::uint32_t parity_ = 0;         ///< Of a sequence at rest; 1 after a program inverted it.
  std::uint64_t completed_ = 0;      ///< Writes completed when `sequence` was last_.
  std::uint64_t last_count_ = 0;     ///< write_count then.
  std::uint32_t last_wake_seq_ = 0;  ///< wake_seq then.
  std::int64_t traffic_ns_ = 0;      ///< When a message was last delivered.
  bool armed_ = false;

  /// What was seen since `sequence` was last at rest.
  struct Unrest {
    std::int64_t since_ns = 0;      ///< When `sequence` was first found as it is; 0: at rest.
    std::uint64_t write_count = 0;  ///< When the last piece of evidence was found.
    std::uint32_t sequence = 0;     ///< The value in progress.
    int evidence = 0;               ///< Times that a value in progress stayed for long, with completed writes between.
    bool noted = false;             ///< This value is among them.
    bool reported = false;          ///< This value was found interrupted.
  } unrest_;
  enum class Wakes : std::uint8_t { unknown, yes, no } wakes_ = Wakes::unknown;  ///< Whether the writer does.
};

}  // namespace sluice::eshm
