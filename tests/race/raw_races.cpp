#include "race/scenarios.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <sluice/shm/unvalidated_copy.hpp>

#include <string>

#include "race/race_support.hpp"
#include "unit/slick/slick_support.hpp"

namespace sluice::test {

namespace {

/// A raw topic. Its segment is without a name once everybody has it open, so that nothing stays behind.
class RawBench : public TopicBench {
 public:
  explicit RawBench(std::uint32_t capacity, Reliability reliability = Reliability::best_effort)
      : TopicBench(reliability, capacity, sizeof(Message)), name_("/sluice-race-" + std::to_string(::getpid())) {
    set_option("segment", name_);
    set_option("element", std::to_string(sizeof(Message)) + "B");
    spec.qos.max_blocking_time = std::chrono::seconds{60};
  }
  ~RawBench() { remove_name(); }
  RawBench(const RawBench&) = delete;
  RawBench& operator=(const RawBench&) = delete;

  void remove_name() const noexcept { ::shm_unlink(name_.c_str()); }

 private:
  std::string name_;
};

void exchange(const RawBench& bench, std::uint64_t writers, std::uint64_t messages, Idle idle) {
  Signal done;
  Crew crew;
  for (int k = 0; k < 2; ++k) {
    crew.add([&, reader = std::shared_ptr<Reader>(bench.reader())] {
      std::uint64_t received = 0;
      for (bool last = false; !last;) {
        last = done.value() == writers;
        while (take_one(*reader)) ++received;
        if (idle == Idle::sleep) (void)reader->arm();
        std::this_thread::yield();
      }
      require(received > 0, "something is received");
      const ReaderStats stats = reader->stats();
      require(stats.received + stats.lost + stats.skipped == writers * messages, "the reader gets to the end");
    });
  }
  for (std::uint64_t k = 0; k < writers; ++k) {
    crew.add([&, writer = std::shared_ptr<Writer>(bench.writer())] {
      for (std::uint64_t i = 0; i < messages; ++i) send_number(*writer, i);
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
  exchange(bench, 2, 2'000, Idle::poll);
}

/// With one producer: two of them may store into one element a lap apart, for the format has no word that could order
/// them (hazard H3).
void raw_lapped() {
  const RawBench bench(8);
  exchange(bench, 1, 50'000, Idle::poll);
}

/// Nobody is lapped however short the ring, so every copy is watched; and the polling thread looks on.
void raw_reliable() {
  const RawBench bench(8, Reliability::reliable);
  shm::watch_unvalidated_copies = true;
  exchange(bench, 2, 10'000, Idle::sleep);
}

}  // namespace sluice::test
