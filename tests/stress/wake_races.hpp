#pragma once

#include <sched.h>
#include <sys/mman.h>

#include <array>
#include <cstdint>
#include <new>
#include <random>
#include <stdexcept>
#include <string>

#include <sluice/shm/atomic.hpp>
#include <sluice/shm/deadline.hpp>

/// A message, or room for one, that comes around the moment in which somebody goes to sleep, again and again.
///
/// Both sides know the number of the race. Who is going to sleep says so in `turn`; the other side waits for that, lets
/// a random moment pass, acts, and says so in `done`. Whoever sleeps on although `done` says that the ring is over and
/// the word has not changed has lost a wake-up. That is exact where the word can be seen; where it cannot, behind a
/// node, what counts is a message that was there for kLate, half of the time after which everybody looks anyway.
namespace sluice::stress {

inline constexpr std::size_t kMostSleepers = 8;
inline constexpr std::int64_t kLate = 500'000'000;  // ns
inline constexpr std::uint64_t kEnough = 20;        ///< Lost wake-ups that end the run.
using Word = shm::SharedAtomic<std::uint64_t>;

struct WakeOptions {
  std::string mode = "message";
  std::uint64_t races = 20'000;
  std::uint32_t readers = 1;
  std::uint64_t seed = 1;
  bool reliable = true;
};

/// What one sleeper met.
struct Sleeper {
  alignas(shm::kIsolation) Word turn;
  Word races;
  Word seen;     ///< The look after arming found it: no sleep.
  Word sleeps;   ///< Sleeps that were begun.
  Word blocked;  ///< Context switches of its own will: sleeps that were more than a look at the word.
  Word bounded;  ///< Sleeps that ended by their time, with nothing there: the other side was slow.
  Word lost;     ///< Wake-ups. Must be 0.
};

struct WakeShared {
  std::array<Sleeper, kMostSleepers> sleepers;
  alignas(shm::kIsolation) Word done;
  Word done_ns;
  Word ready;

  static WakeShared& create() {
    void* memory = ::mmap(nullptr, sizeof(WakeShared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::runtime_error("mmap failed");
    return *::new (memory) WakeShared{};
  }
};

/// Spins, and lets others have the processor now and then.
inline void wait_for(const Word& word, std::uint64_t value) {
  for (unsigned spins = 1; word.load_acquire() < value; ++spins) {
    shm::spin_pause();
    if (spins % 4096 == 0) ::sched_yield();
  }
}

/// A random moment: none, or within the nanoseconds between arming and the kernel's look at the word, or long enough
/// for the other side to be asleep. Not by the clock, which takes longer to read than some of them last.
class Moment {
 public:
  using Lengths = std::array<std::uint64_t, 4>;  ///< In pauses; one of them is the most that this one lasts.

  explicit Moment(std::uint64_t seed, Lengths most = {1, 16, 64, 512}) : most_(most), random_(seed) {}
  void pass() {
    for (std::uint64_t left = random_() % most_[random_() % most_.size()]; left > 0; --left) shm::spin_pause();
  }

 private:
  Lengths most_;
  std::mt19937_64 random_;
};

/// Bodies of the processes; they return the exit code.
struct WakePlace {
  const WakeOptions& options;
  WakeShared& shared;
  const std::string& directory;
};
int node_reader(const WakePlace& place, std::uint32_t index);
int node_publisher(const WakePlace& place);

}  // namespace sluice::stress
