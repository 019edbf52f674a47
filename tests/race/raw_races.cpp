#include "race/scenarios.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <sluice/shm/unvalidated_copy.hpp>

#include <string>

#include "race/race_support.hpp"
#include "slick/raw_ring.hpp"

namespace sluice::test {

namespace {

/// A SlickQueue segment. Without a name once everybody has it open, so that nothing stays behind.
class RawBench {
 public:
  explicit RawBench(std::uint32_t capacity) {
    request_.name = "/sluice-race-" + std::to_string(::getpid());
    request_.element_size = sizeof(Message);
    request_.capacity = capacity;
  }
  ~RawBench() { remove_name(); }
  RawBench(const RawBench&) = delete;
  RawBench& operator=(const RawBench&) = delete;

  [[nodiscard]] std::shared_ptr<slick::RawRing> ring() const {
    return std::make_shared<slick::RawRing>(slick::open_raw_segment(request_));
  }
  void remove_name() const noexcept { ::shm_unlink(request_.name.c_str()); }

 private:
  slick::RawRequest request_;
};

void write(slick::RawRing& ring, std::uint64_t messages) {
  for (std::uint64_t i = 0; i < messages; ++i) {
    const Message message(i);
    const std::uint64_t index = ring.reserve(1);
    std::memcpy(ring.element(index), &message, sizeof message);
    (void)ring.publish(index, 1);
  }
}

void exchange(const RawBench& bench, std::uint64_t writers, std::uint64_t messages) {
  Signal done;
  Crew crew;
  for (int k = 0; k < 2; ++k) {
    crew.add([&, ring = bench.ring()] {
      slick::RawRing::Cursor cursor;
      std::vector<std::byte> copy;
      std::uint64_t index = 0;
      for (bool last = false; !last;) {
        last = done.value() == writers;
        while (ring->read(cursor, copy, index) == slick::RawRing::Read::message) {
          look_at({copy.data(), copy.size(), {}, 0});
        }
        std::this_thread::yield();
      }
      require(cursor.next == writers * messages, "the reader gets to the end");
    });
  }
  for (std::uint64_t k = 0; k < writers; ++k) {
    crew.add([&, ring = bench.ring()] {
      write(*ring, messages);
      done.add();
    });
  }
  bench.remove_name();
  crew.run();
}

}  // namespace

void raw_watched() {
  const RawBench bench(4096);
  shm::watch_unvalidated_copies = true;  // nobody is lapped in a ring of this length
  exchange(bench, 2, 2'000);
}

/// With one producer: two of them may store into one element a lap apart, for the format has no word that could order
/// them (hazard H3).
void raw_lapped() {
  const RawBench bench(8);
  exchange(bench, 1, 50'000);
}

}  // namespace sluice::test
