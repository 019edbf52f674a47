/// As fuzz_slick_ring, one layer up: a queue with private and shared cursors, holes that are given up, and another
/// process that also stores into the shared cursors.
#include <array>
#include <atomic>
#include <vector>

#include "fuzz/other_process.hpp"
#include "fuzz/ring_rules.hpp"

namespace sluice::fuzz {
namespace {

slick::QueueOptions options() {
  slick::QueueOptions options;
  options.hole_timeout = std::chrono::nanoseconds{1};
  return options;
}

/// Readers and producers of ours on one queue.
class Players {
 public:
  Players(UntypedQueue& queue, Input& input) : queue_(queue), input_(input), other_(queue.ring().memory(), input) {}

  void step() {
    std::uint64_t& cursor = private_[input_.below(private_.size())];
    std::atomic<std::uint64_t>& shared = shared_[input_.below(shared_.size())];
    switch (input_.below(9)) {
      case 0: other_.store(); break;
      case 1: read(cursor); break;
      case 2: read(shared); break;
      case 3: reserve(); break;
      case 4: publish(); break;
      case 5: shared.store(input_.take<std::uint64_t>()); break;
      case 6: shared.store(queue_.initial_reading_index() - input_.below(64)); break;
      case 7: cursor = queue_.initial_reading_index() - input_.below(64); break;
      case 8: demand_last(queue_.ring()); break;
    }
  }

  void end() {
    for (const std::uint64_t cursor : private_) drain(queue_, cursor);
    for (auto& cursor : shared_) drain(queue_, cursor);
    queue_.reset();
    demand(!queue_.read_last(), "nothing is left after a reset");
    for (auto& cursor : shared_) demand(!queue_.read(cursor) && cursor == 0, "a reset moves a shared cursor");
  }

 private:
  void read(std::uint64_t& cursor) {
    const auto message = queue_.read(cursor, [this](const Ring::Message& found) {
      demand_inside(queue_.ring(), found);
      if (input_.below(4) == 1) other_.store();
    });
    if (!message) return;
    demand_inside(queue_.ring(), *message);
    demand(cursor == message->index + message->size, "the cursor stands behind the message");
    demand(queue_.still_valid(message->index), "nobody stored since");
  }

  void read(std::atomic<std::uint64_t>& cursor) {
    const auto message = queue_.read(cursor);
    if (!message) return;
    demand_current(queue_.ring(), *message);
    demand(cursor == message->index + message->size, "the shared cursor stands behind the message");
  }

  void reserve() {
    const std::uint32_t n = 1 + input_.below(queue_.size());
    Ring::Message& reserved = reserved_[input_.below(reserved_.size())];
    reserved = {queue_.reserve(n), n};
    std::memset(queue_.ring().element(reserved.index), 0x5A, std::size_t{n} * queue_.element_size());
  }

  void publish() {
    const Ring::Message& reserved = reserved_[input_.below(reserved_.size())];
    if (reserved.size != 0) (void)queue_.publish(reserved.index, reserved.size);
  }

  UntypedQueue& queue_;
  Input& input_;
  OtherProcess other_;
  std::array<std::uint64_t, 3> private_{};
  std::array<std::atomic<std::uint64_t>, 2> shared_{};
  std::array<Ring::Message, 4> reserved_;
};

}  // namespace
}  // namespace sluice::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice::fuzz;
  Input input(data, size);
  const std::uint32_t capacity = 1U << input.below(6);
  const std::uint32_t element_size = 1 + input.below(24);
  std::vector<std::byte> elements(std::size_t{capacity} * element_size);
  UntypedQueue queue(capacity, element_size, elements.data(), options());
  fill_as_a_process(queue.ring().memory(), input);
  Players players(queue, input);
  while (!input.empty()) players.step();
  players.end();
  return 0;
}
