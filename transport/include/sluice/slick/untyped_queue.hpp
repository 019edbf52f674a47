#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <sluice/export.hpp>
#include <sluice/slick/ring.hpp>
#include <sluice/slick/segment.hpp>

namespace sluice::slick {

/// What a queue does beyond what slick_queue does; the defaults change nothing that a program could rely on.
struct QueueOptions {
  /// How long a reader waits at a reserved, unpublished element before it steps over it (hazard H2). A producer that is
  /// merely slower than this loses that message for this reader. 0: for ever, as slick_queue does.
  std::chrono::nanoseconds hole_timeout = std::chrono::milliseconds{100};

  /// Mark a 1.2.x or Python segment as initialised, so that 1.3.0 and 1.4.0 programs do not wipe it (hazard H7).
  bool adopt = true;

  /// Attach for reading with private cursors only; everything that stores (reserve, publish, reset, shared cursors) is
  /// then a segmentation fault. Needs no right to write, and adopts nothing.
  bool read_only = false;

  /// Rights of a segment that is created. None: as slick_queue, 0666 without the umask.
  std::optional<shm::Access> access;

  /// How long to wait for a creator that is still initialising.
  std::chrono::nanoseconds patience = std::chrono::seconds{2};
};

/// A SlickQueue whose element size is known at run time. Queue<T> is the typed face; bindings and tools use this one.
///
/// Thread safety: every member may be called from any thread at any time, except reset (nobody else may use the queue)
/// and that one private cursor belongs to one thread. Nothing blocks after construction.
class SLUICE_EXPORT UntypedQueue {
 public:
  /// In this process only: `elements` is caller-owned memory for capacity * element_size bytes that outlives the queue.
  /// Throws std::invalid_argument for a capacity that is no power of two.
  UntypedQueue(std::uint32_t capacity, std::uint32_t element_size, std::byte* elements,
               const QueueOptions& options = {});

  /// Attaches to the shared-memory segment `name`, or creates it. Throws std::invalid_argument as above; Error, which
  /// names the segment and both values, when an existing segment differs or is damaged.
  UntypedQueue(std::uint32_t capacity, std::uint32_t element_size, const std::string& name,
               const QueueOptions& options = {});

  /// Attaches only. Throws Error also when there is no such segment. `element_size` 0: whatever is there.
  UntypedQueue(const std::string& name, std::uint32_t element_size, const QueueOptions& options = {});

  /// Over a segment that is attached already; its name is left alone in the end.
  explicit UntypedQueue(Segment segment, const QueueOptions& options = {});

  /// Removes the segment's name if this object created it, as slick_queue does; not if the name means another by now.
  ~UntypedQueue();
  UntypedQueue(const UntypedQueue&) = delete;
  UntypedQueue& operator=(const UntypedQueue&) = delete;

  /// Whether this object created the ring (in process: always).
  [[nodiscard]] bool own_buffer() const noexcept { return segment_ == nullptr || segment_->created; }
  [[nodiscard]] bool use_shm() const noexcept { return segment_ != nullptr; }     ///< Whether others can attach.
  [[nodiscard]] std::uint32_t size() const noexcept { return ring_.capacity(); }  ///< Capacity in elements.
  [[nodiscard]] std::uint32_t element_size() const noexcept { return ring_.element_size(); }  ///< In bytes.
  [[nodiscard]] const Ring& ring() const noexcept { return ring_; }  ///< The algorithms underneath.

  /// Elements that readers of this object lost because they were overwritten first; exact in every build.
  [[nodiscard]] std::uint64_t loss_count() const noexcept { return lost_.load(std::memory_order_relaxed); }

  /// Elements that readers of this object stepped over: holes that dead producers left, and tails before a wrap.
  [[nodiscard]] std::uint64_t skipped_count() const noexcept { return skipped_.load(std::memory_order_relaxed); }

  /// A cursor that begins at the next reservation.
  [[nodiscard]] std::uint64_t initial_reading_index() const noexcept { return ring_.reserved(); }

  /// Reserves n elements in one piece. Throws std::invalid_argument for 0, std::runtime_error for more than fit.
  [[nodiscard]] std::uint64_t reserve(std::uint32_t n = 1) {
    if (n == 0 || n > most_) refuse_reservation(n);
    return ring_.reserve(n);
  }

  /// Makes n reserved elements from `index` on visible as one message. False: a whole lap was reserved meanwhile, so
  /// nothing was published (hazard H3).
  bool publish(std::uint64_t index, std::uint32_t n = 1) noexcept { return ring_.publish(index, n); }

  /// The next message for a private cursor, which moves behind it; nothing if there is none. The message was whole when
  /// this returned; whoever reads it in place asks still_valid(message.index) afterwards.
  [[nodiscard]] std::optional<Ring::Message> read(std::uint64_t& cursor) noexcept {
    Ring::Message message;
    Ring::Cursor place{cursor};
    const bool found = advance(place, message, [](const Ring::Message&) {});
    settle(place, cursor);
    return found ? std::optional(message) : std::nullopt;
  }

  /// As above, with `copy(message)` called before the test whether the message is whole; called again if it was not.
  template <typename Copy>
  [[nodiscard]] std::optional<Ring::Message> read(std::uint64_t& cursor, Copy copy) {
    Ring::Message message;
    Ring::Cursor place{cursor};
    const bool found = advance(place, message, copy);
    settle(place, cursor);
    return found ? std::optional(message) : std::nullopt;
  }

  /// The next message for a cursor that several readers share: each message goes to exactly one of them. The cursor may
  /// lie in shared memory (SharedCursor). A reader that dies after this returned takes its message with it.
  [[nodiscard]] std::optional<Ring::Message> read(std::atomic<std::uint64_t>& cursor) noexcept;

  /// As above, with `copy(message)` called once the message is claimed. What was overwritten before it was copied is
  /// counted as lost, and the next one taken.
  template <typename Copy>
  [[nodiscard]] std::optional<Ring::Message> read(std::atomic<std::uint64_t>& cursor, Copy copy) {
    for (int round = 0; round < Ring::kMostRounds; ++round) {
      const auto message = read(cursor);
      if (!message) return message;
      copy(*message);
      if (ring_.verdict(*message) == Ring::Verdict::intact) return message;
      lost_.fetch_add(message->size, std::memory_order_relaxed);
    }
    return std::nullopt;
  }

  /// The newest published message, or nothing.
  [[nodiscard]] std::optional<Ring::Message> read_last() const noexcept {
    Ring::Message message;
    return ring_.find_last(message) ? std::optional(message) : std::nullopt;
  }

  /// Whether the message that began at `index` is still there and whole. Ask after having read it in place.
  [[nodiscard]] bool still_valid(std::uint64_t index) const noexcept {
    return ring_.verdict({index, 1}) == Ring::Verdict::intact;
  }

  /// Empties the queue and begins again at index 0. Nobody else may be using it.
  void reset() noexcept {
    ring_.reset();
    forget_holes();
    resets_.fetch_add(1, std::memory_order_relaxed);
  }

 private:
  template <typename Copy>
  bool advance(Ring::Cursor& place, Ring::Message& message, Copy copy);
  void settle(const Ring::Cursor& place, std::uint64_t& cursor) noexcept {
    cursor = place.next;
    if ((place.lost | place.skipped | place.before_reset) != 0) count(place);
  }
  void count(const Ring::Cursor& place) noexcept;
  [[noreturn]] void refuse_reservation(std::uint32_t n) const;
  void use(const RingMemory& memory) noexcept;
  [[nodiscard]] Ring::Effort effort(std::uint64_t next) const noexcept;
  [[nodiscard]] bool give_up_hole(Ring::Cursor& place) noexcept;
  void forget_holes() noexcept;
  [[nodiscard]] bool was_reset(std::uint64_t next) const noexcept;

  Ring ring_;
  std::uint32_t most_ = 0;  ///< Largest reservation.
  std::chrono::nanoseconds hole_timeout_;
  std::unique_ptr<Segment> segment_;      ///< Null in process.
  std::unique_ptr<std::byte[]> control_;  ///< In process: header and slots.

  std::atomic<std::uint64_t> resets_{0};  ///< Through this object: its readers look closely at once.
  std::atomic<std::uint64_t> lost_{0};
  std::atomic<std::uint64_t> skipped_{0};

  /// When a reader of this object first saw a position reserved and not published. By position, for a hole is a hole to
  /// every reader. Of two positions that share a place, one waits until the other has had its time.
  struct HoleWatch {
    std::atomic<std::uint64_t> position{kNoIndex};
    std::atomic<std::int64_t> since_ns{0};
  };
  std::array<HoleWatch, 8> holes_;
};

template <typename Copy>
bool UntypedQueue::advance(Ring::Cursor& place, Ring::Message& message, Copy copy) {
  for (int round = 0; round < Ring::kMostRounds; ++round) {
    switch (ring_.find(place, message, Ring::Effort::slot_only)) {
      case Ring::Found::message: break;
      case Ring::Found::nothing:
        if (effort(place.next) == Ring::Effort::slot_only) return false;
        if (const auto found = ring_.find(place, message); found != Ring::Found::message) {
          if (found == Ring::Found::pending && give_up_hole(place)) continue;
          return false;
        }
        break;
      case Ring::Found::pending:
        if (give_up_hole(place)) continue;
        return false;
    }
    copy(message);
    switch (ring_.verdict(message)) {
      case Ring::Verdict::intact: place.next = message.index + message.size; return true;
      case Ring::Verdict::overtaken: ring_.resync(place); break;
      case Ring::Verdict::changed: break;
    }
  }
  return false;
}

}  // namespace sluice::slick
