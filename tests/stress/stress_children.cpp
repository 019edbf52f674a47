#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <memory>

#include <sluice/plugin.hpp>
#include <sluice/shm/doorbell.hpp>

#include "slick/topic_reader.hpp"
#include "slick/topic_writer.hpp"
#include "stress/deadly_buffer.hpp"
#include "stress/stress_support.hpp"

namespace sluice::stress {

namespace {

/// The controller is the watchdog: when it goes, everybody goes. Then the start barrier.
void begin(Shared& shared) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  shared.ready.fetch_add_acq_rel(1);
  const timespec pause{0, 200'000};
  while (shared.go.load_acquire() == 0) ::nanosleep(&pause, nullptr);
}

void count(Word& word, std::uint64_t more = 1) { word.store_release(word.load_relaxed() + more); }

class Receiver {
 public:
  Receiver(const Place& place, std::uint32_t index)
      : log_(place.shared.readers[index]),
        reliable_(place.options.reliable),
        reader_(place.spec, slick::parse_topic_options(place.spec), {place.directory, {}}),
        next_(kMostProcesses, 0) {
    log_.joined.store_release(reader_.stats().joined);
  }

  /// Takes and checks everything there is.
  void drain(std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) {
    while (most-- > 0) {
      const auto message = reader_.take();
      if (!message) return;
      check(*message);
      reader_.release(*message);
    }
  }

  void sleep() {
    const auto wait = reader_.arm();
    // Longer than the ring's own bound would hide a lost wake-up's cost; the bound itself is the reader's promise.
    if (wait) (void)shm::futex_wait(*wait->word, wait->expected, shm::Deadline::after(wait->at_most));
  }

  [[nodiscard]] bool nothing_left() const { return reader_.stats().queued == 0; }

  void finish() {
    const ReaderStats stats = reader_.stats();
    log_.reserved.store_release(stats.reserved);
    log_.books_received.store_release(stats.received);
    log_.lost.store_release(stats.lost);
    log_.skipped.store_release(stats.skipped);
    log_.queued.store_release(stats.queued);
    log_.evictions.store_release(stats.evictions);
    log_.finished.store_release(1);
  }

 private:
  void check(const TakenMessage& message) {
    count(log_.received);
    if (message.info.lost > 0) count(log_.lost_told, message.info.lost);
    Head head{};
    const bool long_enough = message.size >= sizeof head;
    if (long_enough) std::memcpy(&head, message.data, sizeof head);
    const bool whole = long_enough && head.length == message.size && head.writer < kMostProcesses &&
                       checksum({message.data, message.size}) == head.checksum;
    // A view is judged after it was read: an evicted reader must be told, and then has no message.
    if (reliable_ && !reader_.valid(message)) {
      count(log_.views_lost);
      return;
    }
    if (!whole || message.info.sequence != head.sequence) {
      count(log_.torn);
      return;
    }
    if (head.sequence < next_[head.writer]) count(log_.disorder);
    next_[head.writer] = head.sequence + 1;
    count(log_.from[head.writer]);
  }

  ReaderLog& log_;
  bool reliable_;
  slick::TopicReader reader_;
  std::vector<std::uint64_t> next_;
};

}  // namespace

TopicSpec make_spec(const Options& options) {
  TopicSpec spec;
  spec.name = "/stress";
  spec.qos.reliability = options.reliable ? Reliability::reliable : Reliability::best_effort;
  spec.qos.depth = options.depth;
  spec.qos.max_blocking_time = std::chrono::seconds{options.watchdog};
  spec.max_size = options.max_size;
  return spec;
}

int write_messages(const Place& place, std::uint32_t index, std::uint64_t messages) {
  Shared& shared = place.shared;
  WriterLog& log = shared.writers[index];
  slick::TopicWriter writer(place.spec, slick::parse_topic_options(place.spec), {place.directory, {}});
  std::mt19937_64 random(place.options.seed * 1000 + index);
  std::vector<std::byte> buffer(place.options.max_size);
  DeadlyBuffer deadly;
  const bool mortal = place.options.mode == "crash" && index != 0;
  begin(shared);
  // The writer's sequence counts what was sent; a timeout does not raise it, so the message is composed anew.
  for (std::uint64_t sequence = 0; sequence < messages && shared.stop.load_relaxed() == 0;) {
    const std::size_t length = sizeof(Head) + random() % (place.options.max_size - sizeof(Head) + 1);
    PublishResult result{};
    if (mortal && random() % 200 == 0) {
      const std::size_t most = std::min<std::size_t>(length, 4096);
      compose(deadly.bytes(most), index, sequence);
      deadly.arm(random() % 2 == 0 ? SIGKILL : SIGSTOP);
      count(log.begun);
      result = writer.publish_copy(deadly.bytes(most), 1);
    } else if (random() % 4 == 0) {
      const LoanedBuffer loan = writer.loan(length);
      if (loan.data == nullptr) return 3;
      compose({loan.data, length}, index, sequence);
      count(log.begun);
      result = writer.publish(loan, length, 1);
    } else {
      compose(std::span(buffer).first(length), index, sequence);
      count(log.begun);
      result = writer.publish_copy(std::span(buffer).first(length), 1);
    }
    switch (result) {
      case PublishResult::ok: count(log.ok); break;
      case PublishResult::uncertain: count(log.uncertain); break;
      case PublishResult::timeout: count(log.timeouts); continue;
      default: return 4;
    }
    ++sequence;
  }
  log.finished.store_release(1);
  return 0;
}

int read_messages(const Place& place, std::uint32_t index) {
  Shared& shared = place.shared;
  Receiver receiver(place, index);
  std::mt19937_64 random(place.options.seed * 7777 + index);
  begin(shared);
  // Three temperaments: sleeps whenever there is nothing; polls; and is slow, which a best_effort reader may be.
  const std::uint32_t temperament = index % 3;
  for (;;) {
    const bool last_round = shared.writers_done.load_acquire() != 0;
    receiver.drain(last_round ? std::numeric_limits<std::uint64_t>::max() : 1 + random() % 200);
    if (last_round && receiver.nothing_left()) break;
    if (temperament == 1) {
      for (int i = 0; i < 100; ++i) shm::spin_pause();
    } else {
      receiver.sleep();
    }
    if (temperament == 2 && random() % 8 == 0) ::usleep(static_cast<useconds_t>(random() % 3000));
  }
  receiver.finish();
  return 0;
}

}  // namespace sluice::stress
