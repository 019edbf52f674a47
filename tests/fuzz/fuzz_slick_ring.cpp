/// A ring whose memory is the input's bytes; then readers and producers of ours step by step, and between their steps
/// (and in the middle of a reader's copy) another process that stores what the input says. Every block of memory has
/// exactly its size.
#include <array>

#include "fuzz/other_process.hpp"
#include "fuzz/ring_rules.hpp"

namespace sluice::fuzz {
namespace {

/// Readers and producers of ours on one ring.
class Players {
 public:
  Players(const RingMemory& memory, Input& input) : ring_(memory), input_(input), other_(memory, input) {}

  void step() {
    Ring::Cursor& cursor = cursors_[input_.below(cursors_.size())];
    switch (input_.below(11)) {
      case 0: other_.store(); break;
      case 1: read(cursor, Ring::Effort::close); break;
      case 2: read(cursor, Ring::Effort::slot_only); break;
      case 3: reserve(); break;
      case 4: publish(); break;
      case 5: skip(cursor); break;
      case 6: resync(cursor); break;
      case 7: demand_last(ring_); break;
      case 8: cursor.next = input_.take<std::uint64_t>(); break;
      case 9: look(cursor); break;
      case 10: repair(); break;
    }
  }

  void end() {
    for (const Ring::Cursor& cursor : cursors_) drain(ring_, cursor);
    demand_last(ring_);
    ring_.reset();
    Ring::Message message;
    demand(!ring_.find_last(message), "nothing is left after a reset");
  }

 private:
  void read(Ring::Cursor& cursor, Ring::Effort effort) {
    Ring::Message message;
    (void)read_checked(ring_, cursor, message, effort, [this] {
      if (input_.below(4) == 1) other_.store();
    });
  }

  /// A producer may be slow: what it has reserved is published later, or never.
  void reserve() {
    const std::uint32_t n = 1 + input_.below(ring_.capacity());
    Ring::Message& reserved = reserved_[input_.below(reserved_.size())];
    reserved = {ring_.reserve(n), n};
    demand((reserved.index & (ring_.capacity() - 1)) + n <= ring_.capacity(), "a reservation lies in one piece");
    std::memset(ring_.element(reserved.index), 0x5A, std::size_t{n} * ring_.element_size());
  }

  void publish() {
    const Ring::Message& reserved = reserved_[input_.below(reserved_.size())];
    if (reserved.size != 0) (void)ring_.publish(reserved.index, reserved.size);
  }

  void skip(Ring::Cursor& cursor) {
    const Ring::Cursor before = cursor;
    const bool moved = ring_.skip_hole(cursor);
    demand(moved == (cursor.next != before.next), "a cursor moves when it says so");
    demand(way(cursor) - way(before) == cursor.skipped - before.skipped, "what a hole took is counted");
  }

  void resync(Ring::Cursor& cursor) {
    const Ring::Cursor before = cursor;
    ring_.resync(cursor);
    demand(cursor.next >= before.next && cursor.next - before.next == cursor.lost - before.lost, "what a lap took");
  }

  void look(const Ring::Cursor& cursor) {
    Ring::Cursor mine = cursor;
    Ring::Message message;
    const bool ready = ring_.find(mine, message) == Ring::Found::message;
    if (ready) demand_inside(ring_, message);
    (void)ring_.verdict({mine.next, input_.take<std::uint32_t>()});
  }

  /// What somebody does for a dead producer: readers who stand at the hole are sent on.
  void repair() {
    const std::uint64_t end = ring_.reserved();
    const std::uint64_t position = end - std::min<std::uint64_t>(end, input_.below(2 * ring_.capacity()));
    const std::uint64_t tail = ring_.capacity() - (position & (ring_.capacity() - 1));
    const std::uint64_t next = position + 1 + input_.below(tail);
    if (next - position == ring_.capacity() || !ring_.fill_hole(position, next)) return;
    Ring::Cursor cursor{position};
    Ring::Message message;
    (void)ring_.find(cursor, message);
    demand(cursor.next >= next, "a reader at a repaired hole goes on");
  }

  Ring ring_;
  Input& input_;
  OtherProcess other_;
  std::array<Ring::Cursor, 4> cursors_;
  std::array<Ring::Message, 4> reserved_;
};

}  // namespace
}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice::fuzz;
  Input input(data, size);
  const std::uint32_t capacity = 1U << input.below(6);
  const std::uint32_t element_size = 1 + input.below(24);
  const ExactRing memory(capacity, element_size, input.below(2) == 1);
  fill_as_a_process(memory.memory(), input);
  Players players(memory.memory(), input);
  while (!input.empty()) players.step();
  players.end();
  return 0;
}
