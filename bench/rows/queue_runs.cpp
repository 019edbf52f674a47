#include "rows/queue_runs.hpp"

#include <atomic>
#include <cstring>
#include <memory>

#include <sluice/slick/queue.hpp>

#include "limits/pace.hpp"
#include "rows/links.hpp"
#include "rows/topic_runs.hpp"

namespace sluice::bench {

namespace {

template <std::size_t Size>
struct Element {
  std::byte bytes[Size];
};

template <std::size_t Size, QueueReading Reading>
class QueueLink {
 public:
  explicit QueueLink(const std::string& name) : queue_(name.c_str()) {}

  void send_copy(std::span<const std::byte> payload) {
    const std::uint64_t index = queue_.reserve();
    std::memcpy(queue_[index]->bytes, payload.data(), Size);
    if (!queue_.publish(index)) throw RunFailed("overtaken in the middle of a publication");
  }

  [[nodiscard]] std::optional<std::uint64_t> try_receive() {
    if constexpr (Reading == QueueReading::copy) {
      const auto element = queue_.read_copy(cursor_);
      if (!element) return std::nullopt;
      return read_every_line(element->bytes, Size);
    } else if constexpr (Reading == QueueReading::in_place) {
      const auto [element, size] = queue_.read(cursor_);
      return look(element, cursor_ - size);
    } else {
      const auto [element, size] = queue_.read(*shared_);
      return look(element, shared_->load(std::memory_order_relaxed) - size);
    }
  }

 private:
  [[nodiscard]] std::optional<std::uint64_t> look(const Element<Size>* element, std::uint64_t index) const {
    if (element == nullptr) return std::nullopt;
    const std::uint64_t first = read_every_line(element->bytes, Size);
    return queue_.still_valid(index) ? std::optional(first) : std::nullopt;
  }

  slick::Queue<Element<Size>> queue_;
  std::uint64_t cursor_ = 0;
  std::unique_ptr<std::atomic<std::uint64_t>> shared_ = std::make_unique<std::atomic<std::uint64_t>>(0);
};

/// Made before the two sides fork, so that both only attach.
void make_segment(const std::string& name, std::size_t size, QueueSegment kind) {
  slick::SegmentRequest request;
  request.name = name;
  request.element_size = static_cast<std::uint32_t>(size);
  request.capacity = depth_for(size);
  const slick::Segment segment = slick::open_segment(request);
  if (kind == QueueSegment::current) return;
  slick::RingHeader& header = *segment.memory.header;
  header.magic.store_relaxed(0);
  header.last_published.store_relaxed(0);
  header.init_state.store_release(static_cast<std::uint32_t>(slick::InitState::legacy));
}

template <std::size_t Size, QueueReading Reading>
Outcome latency(QueueSegment segment, RoundTrips trips) {
  using Link = QueueLink<Size, Reading>;
  const Workplace place;
  const std::string there = place.raw_name("ping");
  const std::string back = place.raw_name("pong");
  make_segment(there, Size, segment);
  make_segment(back, Size, segment);
  return run_two_sides(
      Placement::processes,
      [&](Meeting& meeting) {
        Link in(back);
        Link out(there);
        ping(meeting, out, in, trips, By::copy, Size);
      },
      [&](Meeting& meeting) {
        Link in(there);
        Link out(back);
        pong(meeting, in, out, trips, By::copy, Size);
      });
}

template <std::size_t Size, QueueReading Reading>
Outcome throughput(QueueSegment segment, std::uint64_t messages) {
  using Link = QueueLink<Size, Reading>;
  using Paced = limits::Paced<Link>;
  const Workplace place;
  const SharedMemory memory(sizeof(typename Paced::Memory));
  const std::string name = place.raw_name("ping");
  make_segment(name, Size, segment);
  return run_two_sides(
      Placement::processes,
      [&](Meeting& meeting) {
        Paced out(memory.as<typename Paced::Memory>(), depth_for(Size), Link(name));
        stream(meeting, out, messages, Size);
      },
      [&](Meeting& meeting) {
        Paced in(memory.as<typename Paced::Memory>(), depth_for(Size), Link(name));
        drain(meeting, in, messages, true);
      });
}

/// Calls `run` with the element's size and the way of reading as constants.
template <typename Run>
Outcome with_constants(QueueReading reading, std::size_t size, Run run) {
  const auto with_size = [&]<QueueReading Reading>() {
    if (size == 64) return run.template operator()<64, Reading>();
    if (size == 1024) return run.template operator()<1024, Reading>();
    throw RunFailed("a queue of elements of this size is not compiled");
  };
  switch (reading) {
    case QueueReading::in_place: return with_size.template operator()<QueueReading::in_place>();
    case QueueReading::copy: return with_size.template operator()<QueueReading::copy>();
    case QueueReading::shared_cursor: break;
  }
  return with_size.template operator()<QueueReading::shared_cursor>();
}

}  // namespace

Outcome queue_latency(QueueKind kind, RoundTrips trips, std::size_t size) {
  return with_constants(kind.reading, size, [&]<std::size_t Size, QueueReading Reading>() {
    return latency<Size, Reading>(kind.segment, trips);
  });
}

Outcome queue_throughput(QueueKind kind, std::uint64_t messages, std::size_t size) {
  return with_constants(kind.reading, size, [&]<std::size_t Size, QueueReading Reading>() {
    return throughput<Size, Reading>(kind.segment, messages);
  });
}

}  // namespace sluice::bench
