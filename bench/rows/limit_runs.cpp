#include "rows/limit_runs.hpp"

#include <algorithm>

#include "limits/futex_line.hpp"
#include "limits/line.hpp"
#include "limits/mailbox.hpp"
#include "limits/pace.hpp"
#include "limits/pointer_ring.hpp"
#include "limits/slot_ring.hpp"

namespace sluice::bench {

using limits::CellRingVariant;

namespace {

/// Two media, one a direction, each `bytes` long; `make(memory)` is one side's link to one of them.
template <typename Make>
Outcome latency_over(std::size_t bytes, Make make, RoundTrips trips, By by, std::size_t size, Placement placement) {
  const std::size_t stride = (bytes + 4095) / 4096 * 4096;
  const SharedMemory memory(2 * stride);
  std::byte* const there = memory.data();
  std::byte* const back = memory.data() + stride;
  return run_two_sides(
      placement,
      [&](Meeting& meeting) {
        auto out = make(there);
        auto in = make(back);
        if constexpr (requires { in.read_from_start(); }) in.read_from_start();
        ping(meeting, out, in, trips, by, size);
      },
      [&](Meeting& meeting) {
        auto in = make(there);
        auto out = make(back);
        if constexpr (requires { in.read_from_start(); }) in.read_from_start();
        pong(meeting, in, out, trips, by, size);
      });
}

template <typename Make>
Outcome throughput_over(std::size_t bytes, Make make, std::uint64_t messages, std::size_t size, Placement placement) {
  const SharedMemory memory(bytes);
  return run_two_sides(
      placement,
      [&](Meeting& meeting) {
        auto out = make(memory.data());
        stream(meeting, out, messages, size);
      },
      [&](Meeting& meeting) {
        auto in = make(memory.data());
        if constexpr (requires { in.read_from_start(); }) in.read_from_start();
        drain(meeting, in, messages, true);
      });
}

}  // namespace

Outcome line_latency(RoundTrips trips, Placement placement) {
  using limits::Line;
  const auto make = [](std::byte* memory) { return Line(*reinterpret_cast<Line::Memory*>(memory)); };
  return latency_over(sizeof(Line::Memory), make, trips, By::copy, 8, placement);
}

Outcome futex_latency(RoundTrips trips, Placement placement) {
  using limits::FutexLine;
  const auto make = [](std::byte* memory) { return FutexLine(*reinterpret_cast<FutexLine::Memory*>(memory)); };
  return latency_over(sizeof(FutexLine::Memory), make, trips, By::copy, 8, placement);
}

Outcome cell_ring_latency(RoundTrips trips, By by, std::size_t size, std::uint64_t depth) {
  using Ring = limits::CellRing<>;
  const auto make = [=](std::byte* memory) { return Ring(memory, depth, size); };
  return latency_over(Ring::bytes(depth, size), make, trips, by, size, Placement::processes);
}

namespace {

auto slot_ring_maker(std::size_t size, std::uint64_t depth) {
  return [=](std::byte* memory) {
    limits::SlotRing ring(memory, depth, size);
    ring.prepare();  // by both sides, before they meet
    return ring;
  };
}

}  // namespace

Outcome slot_ring_latency(RoundTrips trips, std::size_t size, std::uint64_t depth) {
  const std::size_t bytes = limits::SlotRing::bytes(depth, size);
  return latency_over(bytes, slot_ring_maker(size, depth), trips, By::copy, size, Placement::processes);
}

Outcome paced_slot_ring_throughput(std::uint64_t messages, std::size_t size, std::uint64_t depth) {
  using Paced = limits::Paced<limits::SlotRing>;
  const auto make = [=](std::byte* memory) {
    return Paced(*reinterpret_cast<Paced::Memory*>(memory), depth,
                 slot_ring_maker(size, depth)(memory + sizeof(Paced::Memory)));
  };
  const std::size_t bytes = sizeof(Paced::Memory) + limits::SlotRing::bytes(depth, size);
  return throughput_over(bytes, make, messages, size, Placement::processes);
}

Outcome mailbox_latency(RoundTrips trips, std::size_t size) {
  using limits::Mailbox;
  const std::size_t max_size = std::max<std::size_t>(4096, size);
  const auto make = [=](std::byte* memory) { return Mailbox(memory, max_size); };
  return latency_over(Mailbox::bytes(max_size), make, trips, By::copy, size, Placement::processes);
}

Outcome pointer_ring_latency(RoundTrips trips, By by, std::size_t size, std::uint64_t depth) {
  using limits::PointerRing;
  const auto make = [=](std::byte* memory) { return PointerRing(memory, depth, size); };
  return latency_over(PointerRing::bytes(depth, size), make, trips, by, size, Placement::threads);
}

namespace {

template <limits::CellRingVariant Variant>
Outcome variant_throughput(std::uint64_t messages, std::size_t size, std::uint64_t depth) {
  using Ring = limits::CellRing<Variant>;
  const auto make = [=](std::byte* memory) { return Ring(memory, depth, size); };
  return throughput_over(Ring::bytes(depth, size), make, messages, size, Placement::processes);
}

}  // namespace

Outcome cell_ring_throughput(CellRingVariant variant, std::uint64_t messages, std::size_t size, std::uint64_t depth) {
  if (variant.locking && variant.prefetching)
    return variant_throughput<CellRingVariant{true, true}>(messages, size, depth);
  if (variant.locking) return variant_throughput<CellRingVariant{false, true}>(messages, size, depth);
  if (variant.prefetching) return variant_throughput<CellRingVariant{true, false}>(messages, size, depth);
  return variant_throughput<CellRingVariant{}>(messages, size, depth);
}

Outcome pointer_ring_throughput(std::uint64_t messages, std::size_t size, std::uint64_t depth) {
  using limits::PointerRing;
  const auto make = [=](std::byte* memory) { return PointerRing(memory, depth, size); };
  return throughput_over(PointerRing::bytes(depth, size), make, messages, size, Placement::threads);
}

}  // namespace sluice::bench
