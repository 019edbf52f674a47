#include "race/scenarios.hpp"

#include <sluice/shm/unvalidated_copy.hpp>

#include "race/race_support.hpp"
#include "slick/books.hpp"
#include "slick/horizon.hpp"
#include "unit/slick/slick_support.hpp"

namespace sluice::test {

namespace {

using namespace std::chrono_literals;

/// Two publishers, two subscriptions, a ring so short that every cell is reused all the time.
void exchange_reliably(Idle idle) {
  constexpr std::uint64_t kMessages = 10'000;
  TopicBench bench(Reliability::reliable, 8, sizeof(Message));
  bench.spec.qos.max_blocking_time = 60s;
  Crew crew;
  for (int k = 0; k < 2; ++k) {
    crew.add([&, reader = std::shared_ptr<Reader>(bench.reader())] { take_all(*reader, 2 * kMessages, idle); });
  }
  for (int k = 0; k < 2; ++k) {
    crew.add([&, writer = std::shared_ptr<Writer>(bench.writer())] {
      for (std::uint64_t i = 0; i < kMessages; ++i) send_number(*writer, i);
    });
  }
  crew.run();
}

/// Two publishers send, two subscriptions read until nothing comes any more.
void exchange_without_waiting(const TopicBench& bench, std::uint64_t messages) {
  Signal done;
  Crew crew;
  for (int k = 0; k < 2; ++k) {
    crew.add([&, reader = std::shared_ptr<Reader>(bench.reader())] {
      std::uint64_t received = 0;
      for (bool last = false; !last;) {
        last = done.value() == 2;
        while (take_one(*reader)) ++received;
        std::this_thread::yield();
      }
      require(received > 0, "something is received");
    });
  }
  for (int k = 0; k < 2; ++k) {
    crew.add([&, writer = std::shared_ptr<Writer>(bench.writer())] {
      for (std::uint64_t i = 0; i < messages; ++i) send_number(*writer, i);
      done.add();
    });
  }
  crew.run();
}

}  // namespace

void topic_reliable_polling() { exchange_reliably(Idle::poll); }
void topic_reliable_sleeping() { exchange_reliably(Idle::sleep); }

void topic_best_effort_lapped() {
  const TopicBench bench(Reliability::best_effort, 4, sizeof(Message));
  exchange_without_waiting(bench, 20'000);
}

void topic_best_effort_watched() {
  constexpr std::uint64_t kMessages = 2'000;
  const TopicBench bench(Reliability::best_effort, 4 * kMessages, sizeof(Message));
  shm::watch_unvalidated_copies = true;  // nobody is lapped in a ring of this length
  exchange_without_waiting(bench, kMessages);
}

/// One publisher sends one message in a lap, so only the slow path's look at its record orders its stores before those
/// of the others.
void topic_rare_publisher() {
  constexpr std::uint64_t kLaps = 200;
  const TopicBench bench(Reliability::best_effort, 8, sizeof(Message));
  const std::uint64_t capacity = bench.file().geometry().capacity;
  Signal rare_turn;
  Signal busy_turn;
  Crew crew;
  crew.add([&, writer = std::shared_ptr<Writer>(bench.writer())] {
    for (std::uint64_t lap = 1; lap <= kLaps; ++lap) {
      rare_turn.wait_for(lap);
      send_number(*writer, lap);
      busy_turn.set(lap);
    }
  });
  crew.add([&, writer = std::shared_ptr<Writer>(bench.writer())] {
    for (std::uint64_t lap = 1; lap <= kLaps; ++lap) {
      rare_turn.set(lap);
      busy_turn.wait_for(lap);
      for (std::uint64_t i = 0; i < 2 * capacity; ++i) send_number(*writer, i);
    }
  });
  crew.run();
}

/// Somebody who publishes nothing raises the horizon, and the publisher waits until it is raised: what it stores comes
/// after the subscription's reads because of the horizon alone.
void topic_horizon() {
  constexpr std::uint64_t kMessages = 10'000;
  TopicBench bench(Reliability::reliable, 8, sizeof(Message));
  bench.spec.qos.max_blocking_time = 60s;
  Signal done;
  Crew crew;
  crew.add([&, reader = std::shared_ptr<Reader>(bench.reader())] {
    take_all(*reader, kMessages, Idle::poll);
    done.set(1);
  });
  crew.add([&, writer = std::shared_ptr<Writer>(bench.writer())] {
    const slick::TopicFile file = bench.file();
    const slick::TopicControl& control = file.control();
    for (std::uint64_t i = 0; i < kMessages; ++i) {
      while (control.horizon.load_relaxed() <= control.reserved.load_relaxed()) std::this_thread::yield();
      send_number(*writer, i);
    }
  });
  crew.add([&] {
    slick::TopicFile file = bench.file();
    while (done.value() == 0) (void)slick::advance_horizon(file);
  });
  crew.run();
}

namespace {

/// A publisher between grant and stamp, played by hand: no thread can be stopped there from outside.
class StoppedOwner {
 public:
  explicit StoppedOwner(const TopicBench& bench) : file_(bench.file()) {
    while (!file_.lock().try_lock_exclusive(file_.writer_byte(index_))) ++index_;
    file_.control().writer_entries.raise_to_acq_rel(index_ + 1);
    entry().record.store_release(slick::kRecordIdle);
    entry().state.store_release(static_cast<std::uint32_t>(slick::EntryState::active));
  }

  void reserve() {
    auto& control = file_.control();
    position_ = control.reserved.load_relaxed();
    for (;;) {
      if (position_ >= control.horizon.load_acquire()) (void)slick::advance_horizon(file_);
      entry().record.store_release(slick::record_intent(position_));
      if (control.reserved.compare_exchange_acq_rel(position_, position_ + 1)) break;
    }
    shm::fence_release();
  }

  /// Whether others had given the position up meanwhile.
  bool publish() {
    slick::Cell& cell = file_.cell(position_);
    const Message message(position_);
    cell.length = sizeof message;
    std::memcpy(slick::TopicFile::payload(cell), &message, sizeof message);
    cell.stamp.store_release(slick::stamp_message(position_));
    std::uint64_t record = slick::record_intent(position_);
    if (entry().record.compare_exchange_seq_cst(record, slick::kRecordIdle)) return false;
    std::uint64_t stamp = slick::stamp_message(position_);
    cell.stamp.compare_exchange_seq_cst(stamp, slick::stamp_jump(position_));
    entry().record.store_release(slick::kRecordIdle);
    return true;
  }

 private:
  [[nodiscard]] slick::WriterEntry& entry() const { return file_.writer(index_); }

  slick::TopicFile file_;
  std::uint32_t index_ = 0;
  std::uint64_t position_ = 0;
};

}  // namespace

/// An owner is stopped for laps and then fills its cell while another publisher is using the ring.
void topic_stopped_owner() {
  constexpr std::uint64_t kRounds = 100;
  const TopicBench bench(Reliability::best_effort, 8, sizeof(Message));
  const std::uint64_t capacity = bench.file().geometry().capacity;
  Signal stopped;
  Signal lapped;
  Signal finished;
  Crew crew;
  crew.add([&] {
    StoppedOwner owner(bench);
    for (std::uint64_t round = 1; round <= kRounds; ++round) {
      owner.reserve();
      stopped.set(round);
      lapped.wait_for(round);
      require(owner.publish(), "an owner that was stopped for a lap is fenced");
      finished.set(round);
    }
  });
  crew.add([&, writer = std::shared_ptr<Writer>(bench.writer())] {
    for (std::uint64_t round = 1; round <= kRounds; ++round) {
      stopped.wait_for(round);
      for (std::uint64_t i = 0; i < 3 * capacity; ++i) send_number(*writer, i);
      lapped.set(round);
      while (finished.value() < round) send_number(*writer, 0);
      for (std::uint64_t i = 0; i < 2 * capacity; ++i) send_number(*writer, i);
    }
  });
  crew.run();
}

/// A subscription is evicted at the position where it joined, and joins again. (One that is evicted while it reads in
/// place has to ask `valid` afterwards, as after a copy; to ThreadSanitizer that is a race, so it is not done here.)
void topic_eviction() {
  constexpr std::uint64_t kMessages = 2'000;
  TopicBench bench(Reliability::reliable, 8, sizeof(Message));
  bench.spec.qos.max_blocking_time = 60s;
  bench.set_option("evict_after", "1s");
  Signal sent;
  Crew crew;
  crew.add([&, reader = std::shared_ptr<Reader>(bench.reader())] {
    sent.wait_for(100);
    do {
      if (!take_one(*reader)) std::this_thread::yield();
    } while (sent.value() < kMessages);
    require(reader->stats().evictions == 1, "it was evicted once");
  });
  crew.add([&, writer = std::shared_ptr<Writer>(bench.writer())] {
    for (std::uint64_t i = 0; i < kMessages; ++i) {
      send_number(*writer, i);
      sent.add();
    }
  });
  crew.run();
}

/// Positions are granted to nobody, as by publishers that die at once; two subscriptions repair them.
void topic_holes() {
  constexpr std::uint64_t kHoles = 30;
  constexpr std::uint64_t kMessages = 3'000;
  TopicBench bench(Reliability::reliable, 16, sizeof(Message));
  bench.spec.qos.max_blocking_time = 60s;
  bench.set_option("hole_timeout", "1ms");
  Crew crew;
  for (int k = 0; k < 2; ++k) {
    crew.add([&, reader = std::shared_ptr<Reader>(bench.reader())] {
      take_all(*reader, kMessages, Idle::poll);
      while (reader->stats().skipped < kHoles) require(!take_one(*reader), "no message comes twice");
    });
  }
  crew.add([&, writer = std::shared_ptr<Writer>(bench.writer())] {
    for (std::uint64_t i = 0; i < kMessages; ++i) send_number(*writer, i);
  });
  crew.add([&] {
    slick::TopicFile file = bench.file();
    auto& control = file.control();
    for (std::uint64_t made = 0; made < kHoles;) {
      std::uint64_t position = control.reserved.load_relaxed();
      if (position >= control.horizon.load_acquire()) {
        (void)slick::advance_horizon(file);
        std::this_thread::yield();
      } else if (control.reserved.compare_exchange_acq_rel(position, position + 1)) {
        ++made;
      }
    }
  });
  crew.run();
}

/// Endpoints come and go beside a publisher and a subscription that stay.
void topic_coming_and_going() {
  constexpr int kVisits = 100;
  TopicBench bench(Reliability::reliable, 8, sizeof(Message));
  bench.spec.qos.max_blocking_time = 60s;
  const auto keeper = bench.file();
  Signal gone;
  Crew crew;
  crew.add([&, reader = std::shared_ptr<Reader>(bench.reader())] {
    while (gone.value() < 3) {
      if (!take_one(*reader)) std::this_thread::yield();
    }
  });
  crew.add([&] {
    for (int visit = 0; visit < kVisits; ++visit) {
      const auto reader = bench.reader();
      (void)take_one(*reader);
    }
    gone.add();
  });
  crew.add([&] {
    for (int visit = 0; visit < kVisits; ++visit) {
      const auto writer = bench.writer();
      send_number(*writer, 1);
    }
    gone.add();
  });
  crew.add([&, writer = std::shared_ptr<Writer>(bench.writer())] {
    for (int i = 0; i < 20 * kVisits; ++i) send_number(*writer, 2);
    gone.add();
  });
  crew.run();
}

/// Somebody reads the books of a publisher and a subscription at work. All words of the books are atomic, so there is
/// nothing for ThreadSanitizer here; what is checked is that they come as one set.
void topic_books() {
  const TopicBench bench(Reliability::best_effort, 8, sizeof(Message));
  Signal done;
  Crew crew;
  crew.add([&, writer = std::shared_ptr<Writer>(bench.writer())] {
    for (int i = 0; i < 50'000; ++i) send_number(*writer, 1);
    done.set(1);
  });
  crew.add([&, reader = std::shared_ptr<Reader>(bench.reader())] {
    while (done.value() == 0) (void)take_one(*reader);
  });
  crew.add([&] {
    const slick::TopicFile file = bench.file();
    const slick::WriterEntry& entry = file.writer(0);
    while (done.value() == 0) {
      std::uint64_t published = 0;
      std::uint64_t bytes = 0;
      slick::read_books(entry.version, [&] {
        published = entry.published.load_relaxed();
        bytes = entry.bytes.load_relaxed();
      });
      require(bytes == published * sizeof(Message), "books are one set");
    }
  });
  crew.run();
}

}  // namespace sluice::test
