#include <csignal>
#include <cstring>
#include <vector>

#include "run.hpp"

namespace queue_peer {

using sluice::slick::UntypedQueue;

int produce(UntypedQueue& queue, const Options& options, const Bounds& bounds) {
  Log log(options.log);
  std::vector<std::byte> message(std::size_t{options.n.second} * queue.element_size());
  std::uint64_t elements = 0;
  std::uint64_t refused = 0;
  std::uint64_t sequence = 0;
  bounds.await_start();
  const auto started = std::chrono::steady_clock::now();
  for (; !options.count || sequence < *options.count; ++sequence) {
    if (sequence % 256 == 0) {
      bounds.check();
      if (bounds.stopped()) break;
    }
    if (options.rate > 0) bounds.await_turn(started, sequence, options.rate);
    const slick_peer::Origin origin{options.producer, sequence};
    const std::uint32_t size = slick_peer::message_size(options.seed, origin, options.n.first, options.n.second);
    const std::span<std::byte> bytes(message.data(), std::size_t{size} * queue.element_size());
    slick_peer::fill_message(bytes, queue.element_size(), options.seed, origin);
    const std::uint64_t index = queue.reserve(size);
    if (sequence == options.die_after_reserve) {
      log.flush();
      (void)std::raise(SIGKILL);
    }
    std::memcpy(queue.ring().element(index), bytes.data(), bytes.size());
    if (!queue.publish(index, size)) {
      ++refused;
      continue;
    }
    elements += size;
    log.message(index, size, origin, bytes);
  }
  emit("done", {{"messages", sequence - refused},
                {"elements", elements},
                {"refused", refused},
                {"reserved", queue.initial_reading_index()}});
  return kSuccess;
}

}  // namespace queue_peer
