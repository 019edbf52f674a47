// A program as slick_queue's users write them, with the members of 1.2.x to 1.4.x and nothing of ours.
#define SLICK_QUEUE_ENABLE_LOSS_DETECTION 1
#define SLICK_QUEUE_ENABLE_CPU_RELAX 1
#include <slick/queue.h>

#include <catch2/catch.hpp>

#include <thread>

#include "support/segment_name.hpp"

namespace {

struct Order {
  std::uint64_t id;
  double price;
};

}  // namespace

TEST_CASE("a program written for slick_queue compiles and runs unchanged") {
  const sluice::test::SegmentName name;
  slick::SlickQueue<Order> server(1024, name.name().c_str());
  std::thread client([&] {
    slick::SlickQueue<Order> queue(name.name().c_str());
    for (std::uint64_t i = 0; i < 100; ++i) {
      auto slot = queue.reserve();
      auto* order = queue[slot];
      order->id = i;
      order->price = 1.5 * static_cast<double>(i);
      queue.publish(slot);
    }
  });
  std::uint64_t cursor = 0;
  for (std::uint64_t i = 0; i < 100;) {
    auto [order, size] = server.read(cursor);
    if (!order) continue;
    CHECK(order->id == i);
    CHECK(size == 1);
    ++i;
  }
  client.join();
  std::pair<Order*, std::uint32_t> last = server.read_last();
  CHECK(last.first->id == 99);
  CHECK(server.loss_count() == 0);
  CHECK(server.own_buffer());
  CHECK(server.use_shm());
  CHECK(server.size() == 1024);
  std::atomic<std::uint64_t> shared{0};
  CHECK(server.read(shared).first->id == 0);
  CHECK(shared == 1);
  server.reset();
  CHECK(server.initial_reading_index() == 0);
  CHECK_THROWS_AS(server.reserve(0), std::invalid_argument);
  CHECK_THROWS_AS(server.reserve(2048), std::runtime_error);
  CHECK_THROWS_AS(slick::SlickQueue<Order>("sluice-test-none"), std::runtime_error);
}
