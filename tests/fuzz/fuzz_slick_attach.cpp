/// The input is a SlickQueue segment's file, as another program may have left it. It is looked at, attached to in every
/// way, read, written and reset; also in memory of exactly its size, because behind a mapping's last byte the rest of
/// the page may be touched unnoticed.
#include <bit>
#include <optional>

#include <sluice/error.hpp>
#include <sluice/slick/inspect.hpp>

#include "fuzz/named_file.hpp"
#include "fuzz/ring_rules.hpp"

namespace sluice::fuzz {
namespace {

constexpr std::uint64_t kLongest = 16384;  ///< Of a file; larger ones only take longer.

slick::QueueOptions impatient(bool read_only, bool adopt = true) {
  slick::QueueOptions options;
  options.read_only = read_only;
  options.access = shm::Access{};  // else it is looked up in /proc, which takes longer than everything else
  options.adopt = adopt;
  options.patience = std::chrono::nanoseconds{0};
  options.hole_timeout = std::chrono::nanoseconds{1};
  return options;
}

/// Every place at which a reader might stand.
template <typename Read>
void from_everywhere(const Ring& ring, Read read) {
  const std::uint64_t end = ring.reserved();
  for (const std::uint64_t start : {std::uint64_t{0}, end, end + 1, end - ring.capacity(), end / 2}) read(start);
}

void read_all(UntypedQueue& queue) {
  from_everywhere(queue.ring(), [&](std::uint64_t start) { drain(queue, start); });
  demand_last(queue.ring());
  if (const auto last = queue.read_last()) demand(queue.still_valid(last->index), "the newest message is valid");
}

/// Whoever joins now gets what is published from now on, whatever lies in the ring.
void write_and_read(UntypedQueue& queue, std::uint32_t n) {
  std::uint64_t cursor = queue.initial_reading_index();
  const std::uint64_t index = queue.reserve(n);
  std::memset(queue.ring().element(index), 0x5A, std::size_t{n} * queue.element_size());
  demand(queue.publish(index, n), "nobody was faster");
  const auto message = poll(queue, cursor);
  demand(message && message->index == index && message->size == n, "what is published is read");
  demand(queue.still_valid(index), "and valid");
}

/// A thread that looked at a place looks closely there only in the next tick of the clock; unless it was elsewhere.
void look_elsewhere(UntypedQueue& queue) {
  std::uint64_t elsewhere = slick::kNoIndex - 1;
  demand(!queue.read(elsewhere), "an empty queue has no message");
}

void write(UntypedQueue& queue) {
  constexpr std::uint64_t kLastIndex = std::uint64_t{1} << 48U;
  for (const std::uint32_t n : {1U, 2U, queue.size() / 2, queue.size()}) {
    const bool overflows = kLastIndex - queue.ring().reserved() <= 2 * std::uint64_t{queue.size()};  // hazard H14
    if (n != 0 && n <= queue.size() && !overflows) write_and_read(queue, n);
  }
  read_all(queue);
  std::uint64_t cursor = queue.initial_reading_index();
  std::atomic<std::uint64_t> shared{cursor};
  queue.reset();
  look_elsewhere(queue);
  demand(!queue.read(cursor) && cursor == 0, "a reset is noticed");
  look_elsewhere(queue);
  demand(!queue.read(shared) && shared == 0, "a reset is noticed with a shared cursor");
  write_and_read(queue, 1);
  demand(poll(queue, cursor).has_value() && poll(queue, shared).has_value(), "and reading goes on after it");
}

void use_copy(const RingMemory& memory) {
  const ExactRing copy(memory);
  const Ring ring(copy.memory());
  from_everywhere(ring, [&](std::uint64_t start) { drain(ring, {start}); });
  demand_last(ring);
}

/// Whether it could be attached to.
bool read_only(const std::string& name) try {
  UntypedQueue queue(name, 0, impatient(true));
  demand(std::has_single_bit(queue.size()) && queue.element_size() != 0, "the shape was checked");
  use_copy(queue.ring().memory());
  read_all(queue);
  return true;
} catch (const Error&) {
  return false;
}

void read_and_write(const std::string& name, std::uint32_t element_size, bool adopt) try {
  UntypedQueue queue(name, element_size, impatient(false, adopt));
  demand(!queue.own_buffer(), "it was there already");
  read_all(queue);
  from_everywhere(queue.ring(), [&](std::uint64_t start) {
    std::atomic<std::uint64_t> cursor{start};
    drain(queue, cursor);
  });
  write(queue);
} catch (const Error&) {
}

void open_with_size(const std::string& name) try {
  UntypedQueue queue(8, 8, name, impatient(false));
  demand(queue.size() == 8 && queue.element_size() == 8, "what was asked for");
  read_all(queue);
} catch (const Error&) {
}

/// What its header says that it needs, if that is little.
std::size_t grown(const slick::SegmentInfo& info, std::size_t size) {
  const std::uint64_t needed = slick::ring_segment_size(info.capacity, info.element_size);
  return info.capacity <= kLongest && info.element_size <= kLongest && needed <= kLongest
             ? std::max<std::size_t>(size, needed)
             : size;
}

void attach_to(const std::uint8_t* data, std::size_t size, std::size_t file_size) {
  NamedFile file;
  file.write(data, size, file_size);
  const slick::SegmentInfo info = slick::inspect_segment(file.name());
  const bool attached = read_only(file.name());
  demand(attached || !info.problem.empty(), "what looks sound can be attached to");
  (void)info.written_by();
  for (const bool adopt : {true, false}) {
    read_and_write(file.name(), 0, adopt);
    file.write(data, size, file_size);
  }
  read_and_write(file.name(), 8, true);
  file.write(data, size, file_size);
  open_with_size(file.name());
}

}  // namespace
}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice::fuzz;
  if (size > kLongest) return 0;
  attach_to(data, size, size);
  if (size < sizeof(sluice::slick::RingHeader)) return 0;
  sluice::slick::SegmentInfo header;  // of what the file says, not of what it is
  std::memcpy(&header.capacity, data + offsetof(sluice::slick::RingHeader, capacity), sizeof header.capacity);
  std::memcpy(&header.element_size, data + offsetof(sluice::slick::RingHeader, element_size),
              sizeof header.element_size);
  if (const std::size_t longer = grown(header, size); longer != size) attach_to(data, size, longer);
  return 0;
}
