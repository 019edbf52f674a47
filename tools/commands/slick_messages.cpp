#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <thread>

#include <nlohmann/json.hpp>

#include <sluice/error.hpp>
#include <sluice/shm/access.hpp>
#include <sluice/shm/deadline.hpp>
#include <sluice/shm/poll_pace.hpp>
#include <sluice/slick/inspect.hpp>
#include <sluice/slick/segment.hpp>
#include <sluice/slick/untyped_queue.hpp>

#include "commands/interrupt.hpp"
#include "commands/payload_text.hpp"
#include "commands/slick_commands.hpp"

namespace sluice::commands {

namespace {

using Bytes = std::vector<std::byte>;

std::uint64_t start_of(const slick::UntypedQueue& queue, const std::string& from) {
  const std::uint64_t reserved = queue.initial_reading_index();
  if (from == "next") return reserved;
  if (from == "oldest") return reserved > queue.size() ? reserved - queue.size() : 0;
  if (from == "last") {
    const auto last = queue.read_last();
    return last ? last->index : reserved;
  }
  try {
    std::size_t end = 0;
    const std::uint64_t index = std::stoull(from, &end);
    if (end == from.size()) return index;
  } catch (const std::exception&) {
  }
  throw Error("--from must be next, oldest, last or an index, not '" + from + "'");
}

/// Nobody rings for a producer of another program: within a millisecond while messages come, rarely at rest.
class Poll {
 public:
  void wait() { std::this_thread::sleep_for(shm::poll_period(shm::monotonic_ns(), last_ns_)); }
  void message() { last_ns_ = shm::monotonic_ns(); }

 private:
  std::int64_t last_ns_ = 0;
};

/// Padded with zeros to whole elements; an empty text is one element of zeros.
void write_message(slick::Ring& ring, Bytes bytes) {
  const std::size_t element = ring.element_size();
  const std::size_t count = std::max<std::size_t>(1, (bytes.size() + element - 1) / element);
  if (count > std::min<std::size_t>(ring.capacity(), slick::kMaxReservation)) {
    throw Error("a message of " + std::to_string(bytes.size()) + " bytes does not fit: the segment has " +
                std::to_string(ring.capacity()) + " elements of " + std::to_string(element) + " bytes");
  }
  bytes.resize(count * element);
  const auto n = static_cast<std::uint32_t>(count);
  const std::uint64_t index = ring.reserve(n);
  std::memcpy(ring.element(index), bytes.data(), bytes.size());
  if (!ring.publish(index, n)) throw Error("another producer overtook this one by a whole lap: nothing was published");
}

slick::Segment open_for_writing(const SlickWriteOptions& options) {
  slick::SegmentRequest request;
  request.name = options.name;
  request.element_size = options.element;
  if (!options.create) return slick::attach_segment(request);
  if (options.element == 0) throw Error("--create needs --element, the bytes of one element");
  request.capacity = *options.create;
  if ((request.capacity & (request.capacity - 1)) != 0 || request.capacity == 0) {
    throw Error("--create needs a power of two, not " + std::to_string(request.capacity));
  }
  request.access = shm::umask_access(slick::kUpstreamMode);
  return slick::open_segment(request);
}

}  // namespace

int slick_read(const Common& common, const SlickReadOptions& options) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const PayloadText format = payload_text(options.format);
  slick::QueueOptions queue_options;
  queue_options.read_only = true;
  slick::UntypedQueue queue(options.name, 0, queue_options);
  std::uint64_t cursor = start_of(queue, options.from);
  stop_on_signals();
  Poll poll;
  Bytes bytes;
  std::uint64_t received = 0;
  while (!interrupted() && (options.count == 0 || received < options.count)) {
    const auto message = queue.read(cursor, [&](const slick::Ring::Message& found) {
      const std::byte* first = queue.ring().element(found.index);
      bytes.assign(first, first + std::size_t{found.size} * queue.element_size());
    });
    if (!message) {
      if (options.no_wait) break;
      poll.wait();
      continue;
    }
    poll.message();
    ++received;
    if (common.json) {
      std::cout << nlohmann::json{{"index", message->index}, {"size", message->size}, {"data", format(bytes)}}.dump()
                << std::endl;
    } else {
      std::printf("%llu: %s\n", static_cast<unsigned long long>(message->index), format(bytes).c_str());
    }
  }
  if (queue.loss_count() + queue.skipped_count() != 0) {
    std::fprintf(stderr, "lost %llu and stepped over %llu elements\n",
                 static_cast<unsigned long long>(queue.loss_count()),
                 static_cast<unsigned long long>(queue.skipped_count()));
  }
  return 0;
}

int slick_write(const Common& /*common*/, const SlickWriteOptions& options) {
  // Not through a queue object, which would remove what it created when this command ends.
  const slick::Segment segment = open_for_writing(options);
  slick::Ring ring(segment.memory);
  stop_on_signals();
  const std::int64_t start = shm::monotonic_ns();
  std::uint64_t written = 0;
  const auto send = [&](const std::string& text) {
    write_message(ring, payload_bytes(text, options.hex));
    ++written;
    if (options.rate <= 0) return;
    const auto due = start + static_cast<std::int64_t>(static_cast<double>(written) * 1e9 / options.rate);
    while (!interrupted() && shm::monotonic_ns() < due) {
      const std::chrono::nanoseconds left{due - shm::monotonic_ns()};
      std::this_thread::sleep_for(std::min(left, std::chrono::nanoseconds{std::chrono::milliseconds{50}}));
    }
  };
  if (options.texts.empty()) {
    for (std::string line; !interrupted() && std::getline(std::cin, line);) send(line);
    return 0;
  }
  for (std::uint64_t round = 0; !interrupted() && round < options.count; ++round) {
    for (const std::string& text : options.texts) {
      if (!interrupted()) send(text);
    }
  }
  return 0;
}

}  // namespace sluice::commands
