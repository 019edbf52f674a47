#include "race/scenarios.hpp"

#include <sluice/shm/wait_set.hpp>

#include <memory>

#include "race/race_support.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

/// What a bell carries here is a plain number: whoever finds the word rung may read what the ringer wrote before.
struct Letter {
  shm::Doorbell bell{};
  std::uint64_t number = 0;
};

}  // namespace

void doorbell() {
  constexpr std::uint64_t kLetters = 5'000;
  Letter there;
  Letter back;
  const auto send_letter = [](Letter& letter, std::uint64_t number) {
    letter.number = number;
    while (!letter.bell.waiting()) std::this_thread::yield();
    letter.bell.ring();
  };
  const auto receive_letter = [](Letter& letter, std::uint32_t armed) {
    while (letter.bell.word().load_acquire() == armed) (void)letter.bell.sleep(armed, shm::Deadline::after(1s));
    return letter.number;
  };
  Crew crew;
  crew.add([&] {
    for (std::uint64_t i = 1; i <= kLetters; ++i) {
      const std::uint32_t armed = back.bell.arm();
      send_letter(there, i);
      require(receive_letter(back, armed) == i, "the answer is to this letter");
    }
  });
  crew.add([&] {
    for (std::uint64_t i = 1; i <= kLetters; ++i) {
      const std::uint64_t number = receive_letter(there, there.bell.arm());
      require(number == i, "letters come in order");
      send_letter(back, number);
    }
  });
  crew.run();
}

namespace {

/// More words than one system call takes, so that a helper thread waits as well; rung one after the other, while a
/// third thread interrupts.
void wait_for_many(std::unique_ptr<shm::WaitSet> set) {
  constexpr std::size_t kWords = 2 * shm::WaitSet::kGroup;
  constexpr std::uint32_t kRounds = kWords;  // each word once: nothing orders a second round's number after the first
  const auto words = std::make_unique<std::array<shm::SharedAtomic<std::uint32_t>, kWords>>();
  for (auto& word : *words) word.store_relaxed(0);
  std::array<std::uint32_t, kWords> numbers{};
  Signal answered;
  Crew crew;
  crew.add([&] {
    std::vector<shm::WaitSet::Entry> entries;
    for (const auto& word : *words) entries.push_back({&word, 0});
    for (std::uint32_t round = 1; round <= kRounds;) {
      (void)set->wait(entries, shm::Deadline::after(1s));
      for (std::size_t k = 0; k < kWords; ++k) {
        const std::uint32_t found = (*words)[k].load_acquire();
        if (found == entries[k].expected) continue;
        require(numbers[k] == found, "who finds the word changed finds what was written before");
        entries[k].expected = found;
        answered.set(round++);
      }
    }
  });
  crew.add([&] {
    for (std::uint32_t round = 1; round <= kRounds; ++round) {
      const std::size_t k = round * 89 % kWords;
      numbers[k] = round;
      (*words)[k].store_release(round);
      shm::futex_wake_all((*words)[k]);
      answered.wait_for(round);
    }
  });
  crew.add([&] {
    while (answered.value() < kRounds) {
      set->interrupt();
      std::this_thread::yield();
    }
  });
  crew.run();
}

}  // namespace

void wait_set() { wait_for_many(std::make_unique<shm::WaitSet>()); }
void wait_set_polling() { wait_for_many(std::make_unique<shm::WaitSet>(shm::WaitSet::Method::polling)); }

}  // namespace sluice::test
