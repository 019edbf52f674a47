#include <sluice/slick/untyped_queue.hpp>

#include <algorithm>
#include <bit>
#include <new>
#include <stdexcept>

#include <sluice/shm/access.hpp>
#include <sluice/shm/deadline.hpp>

namespace sluice::slick {

namespace {

std::uint32_t checked_capacity(std::uint32_t capacity) {
  if (!std::has_single_bit(capacity)) {
    throw std::invalid_argument("a queue's size must be a power of two, not " + std::to_string(capacity));
  }
  return capacity;
}

SegmentRequest request_for(const std::string& name, std::uint32_t capacity, std::uint32_t element_size,
                           const QueueOptions& options) {
  SegmentRequest request;
  request.name = name;
  request.element_size = element_size;
  request.capacity = capacity;
  request.capacity_required = capacity != 0;
  request.adopt = options.adopt;
  request.read_only = options.read_only;
  request.access = options.access ? *options.access : shm::umask_access(kUpstreamMode);
  request.patience = options.patience;
  return request;
}

}  // namespace

UntypedQueue::UntypedQueue(std::uint32_t capacity, std::uint32_t element_size, std::byte* elements,
                           const QueueOptions& options)
    : hole_timeout_(options.hole_timeout) {
  const std::size_t bytes = sizeof(RingHeader) + std::size_t{checked_capacity(capacity)} * sizeof(RingSlot);
  control_ = std::make_unique<std::byte[]>(bytes + shm::kCacheLine);
  const auto address = reinterpret_cast<std::uintptr_t>(control_.get());
  auto* aligned = control_.get() + (shm::kCacheLine - address % shm::kCacheLine) % shm::kCacheLine;
  const RingMemory memory{reinterpret_cast<RingHeader*>(aligned),
                          reinterpret_cast<RingSlot*>(aligned + sizeof(RingHeader)),
                          elements,
                          capacity,
                          element_size,
                          true};
  initialise_ring(memory);
  use(memory);
}

UntypedQueue::UntypedQueue(std::uint32_t capacity, std::uint32_t element_size, const std::string& name,
                           const QueueOptions& options)
    : hole_timeout_(options.hole_timeout),
      segment_(std::make_unique<Segment>(
          open_segment(request_for(name, checked_capacity(capacity), element_size, options)))) {
  use(segment_->memory);
}

UntypedQueue::UntypedQueue(const std::string& name, std::uint32_t element_size, const QueueOptions& options)
    : hole_timeout_(options.hole_timeout),
      segment_(std::make_unique<Segment>(attach_segment(request_for(name, 0, element_size, options)))) {
  use(segment_->memory);
}

UntypedQueue::UntypedQueue(Segment segment, const QueueOptions& options)
    : hole_timeout_(options.hole_timeout), segment_(std::make_unique<Segment>(std::move(segment))) {
  segment_->created = false;
  use(segment_->memory);
}

UntypedQueue::~UntypedQueue() {
  if (segment_ != nullptr && segment_->created) remove_segment(*segment_);
}

void UntypedQueue::use(const RingMemory& memory) noexcept {
  ring_ = Ring(memory);
  // Without last_published, 1.2.x to 1.3.0 derive a position from the size in `reserved`, which has 16 bits.
  most_ = memory.tracks_last_published ? memory.capacity : std::min(memory.capacity, kMaxReservation);
}

void UntypedQueue::refuse_reservation(std::uint32_t n) const {
  if (n == 0) throw std::invalid_argument("cannot reserve 0 elements");
  throw std::runtime_error("cannot reserve " + std::to_string(n) + " elements in one piece: the queue has " +
                           std::to_string(ring_.capacity()) +
                           (most_ < ring_.capacity() ? " and its format allows " + std::to_string(most_) : ""));
}

/// A close look takes the producers' line away from them. A thread that polls looks closely when it comes to a place
/// where there is nothing, and once in a tick of the coarse clock while it stays there. Keeping up with a stream, it
/// comes to such a place with nearly every message: after some such looks within one tick it polls a while first.
Ring::Effort UntypedQueue::effort(std::uint64_t next) const noexcept {
  struct Place {
    const void* queue;
    std::uint64_t resets;
    std::int64_t tick;
    std::uint64_t next;
    bool operator==(const Place&) const = default;
    [[nodiscard]] bool same_stream(const Place& other) const noexcept {
      return queue == other.queue && resets == other.resets && tick == other.tick;
    }
  };
  constexpr int kLooksInTick = 16;
  constexpr int kPollsFirst = 32;
  thread_local Place last{};
  thread_local int looks = 0;  // in this tick
  thread_local int polls = 0;  // before the close look at this place; below 0: it is done
  const Place now{this, resets_.load(std::memory_order_relaxed), shm::monotonic_coarse_ns(), next};
  if (last != now) {
    if (!last.same_stream(now)) looks = 0;
    polls = looks < kLooksInTick ? 0 : kPollsFirst;
    last = now;
  }
  if (polls < 0 || polls-- > 0) return Ring::Effort::slot_only;
  ++looks;
  return Ring::Effort::close;
}

void UntypedQueue::count(const Ring::Cursor& place) noexcept {
  lost_.fetch_add(place.lost, std::memory_order_relaxed);
  skipped_.fetch_add(place.skipped, std::memory_order_relaxed);
  if (place.before_reset != 0) forget_holes();
}

/// After a reset the same positions come again, and a hole that was seen there before says nothing about them.
void UntypedQueue::forget_holes() noexcept {
  for (HoleWatch& watch : holes_) watch.position.store(kNoIndex, std::memory_order_relaxed);
}

bool UntypedQueue::give_up_hole(Ring::Cursor& place) noexcept {
  if (hole_timeout_.count() == 0) return false;
  HoleWatch& watch = holes_[place.next % holes_.size()];
  const std::int64_t now = shm::monotonic_ns();
  const std::uint64_t watched = watch.position.load(std::memory_order_acquire);
  if (watched != place.next) {
    const std::int64_t since = watch.since_ns.load(std::memory_order_relaxed);
    if (watched != kNoIndex && now - since < 2 * hole_timeout_.count()) return false;
    // The time first: whoever sees the position then sees this time or a later one, and never gives up too early.
    watch.since_ns.store(now, std::memory_order_relaxed);
    watch.position.store(place.next, std::memory_order_release);
    return false;
  }
  if (now - watch.since_ns.load(std::memory_order_relaxed) < hole_timeout_.count()) return false;
  return ring_.skip_hole(place);
}

/// Whether the queue was reset behind a shared cursor. A cursor value may come from a peer that stored it relaxed, so
/// that on weakly ordered machines an older `reserved` than the peer saw is no proof; a read-modify-write sees the
/// newest. A slot's index beyond `reserved` is no proof either: half of a foreign one (hazard H13) would send the whole
/// group back to what it has read.
bool UntypedQueue::was_reset(std::uint64_t next) const noexcept {
  return ring_.reserved() < next && reserved_index(ring_.memory().header->reserved.fetch_add_acq_rel(0)) < next;
}

// Cases, with c the cursor's value:
//  1. the queue was reset: CAS the cursor to 0. Never a plain store, which could undo another reader's progress.
//  2. a wrap marker, a lap, a hole given up: CAS the cursor to where the reader's place went; the winner counts.
//  3. a whole message at c: only now is c + size known to be a message's beginning. CAS the cursor behind it; the
//     winner has the message. Then the lap test again, for it may have been overwritten in between.
//  4. nothing.
std::optional<Ring::Message> UntypedQueue::read(std::atomic<std::uint64_t>& cursor) noexcept {
  for (int round = 0; round < Ring::kMostRounds; ++round) {
    std::uint64_t claimed = cursor.load(std::memory_order_acquire);
    Ring::Message message;
    Ring::Cursor place{claimed};
    const std::uint64_t index = ring_.slot(claimed).data_index.load_acquire();
    // A lap that passes between the two loads of the slot moves `place`: what is found there is not at the cursor.
    if (index == claimed && ring_.find(place, message, Ring::Effort::slot_only) == Ring::Found::message &&
        message.index == claimed) {
      const Ring::Verdict verdict = ring_.verdict(message);
      if (verdict == Ring::Verdict::changed && !was_reset(claimed)) continue;
      if (verdict == Ring::Verdict::intact) {
        if (!cursor.compare_exchange_strong(claimed, claimed + message.size, std::memory_order_acq_rel)) continue;
        if (ring_.verdict(message) == Ring::Verdict::intact) return message;
        lost_.fetch_add(message.size, std::memory_order_relaxed);
        continue;
      }
    } else if (effort(claimed) == Ring::Effort::slot_only && (index == kNoIndex || index < claimed)) {
      return std::nullopt;
    }
    if (was_reset(claimed)) {
      if (cursor.compare_exchange_strong(claimed, 0, std::memory_order_acq_rel)) forget_holes();
      continue;
    }
    if (ring_.reserved() < claimed) return std::nullopt;  // not yet visible here
    const Ring::Found found = ring_.find(place, message);
    if (found == Ring::Found::pending) (void)give_up_hole(place);
    if (place.next == claimed) {
      if (found == Ring::Found::message && ring_.verdict(message) == Ring::Verdict::overtaken) ring_.resync(place);
      if (place.next == claimed && found != Ring::Found::message) return std::nullopt;
    }
    if (place.next != claimed && cursor.compare_exchange_strong(claimed, place.next, std::memory_order_acq_rel)) {
      count(place);
    }
  }
  return std::nullopt;
}

}  // namespace sluice::slick
