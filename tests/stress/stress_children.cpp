#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <limits>
#include <memory>

#include <sluice/plugin.hpp>
#include <sluice/shm/doorbell.hpp>
#include <sluice/transport.hpp>

#include "stress/deadly_buffer.hpp"
#include "stress/stress_support.hpp"

extern "C" const sluice::PluginDescriptor sluice_plugin_descriptor;

namespace sluice::stress {

namespace {

Transport& transport() {
  static const std::unique_ptr<Transport> slick(sluice_plugin_descriptor.create());
  return *slick;
}

void nap(std::int64_t microseconds) {
  const timespec pause{0, static_cast<long>(microseconds * 1000)};
  ::nanosleep(&pause, nullptr);
}

void wait_while_held(const Shared& shared, const Word& hold) {
  while (hold.load_acquire() != 0 && shared.stop.load_acquire() == 0) nap(200);
}

/// The controller is the watchdog: when it goes, everybody goes. Then the start barrier.
void begin(Shared& shared) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  shared.ready.fetch_add_acq_rel(1);
  while (shared.go.load_acquire() == 0) nap(200);
}

void count(Word& word, std::uint64_t more = 1) { word.store_release(word.load_relaxed() + more); }

class Receiver {
 public:
  Receiver(const Place& place, std::uint32_t index)
      : log_(place.shared.readers[index]),
        reliable_(place.options.reliable),
        element_(place.options.element),
        reader_(transport().open_reader(place.spec, place.context())),
        next_(kMostProcesses, 0) {
    log_.joined.store_release(reader_->stats().joined);
    log_.opened.store_release(1);
  }

  /// Takes and checks everything there is.
  void drain(std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) {
    while (most-- > 0) {
      const auto message = reader_->take();
      if (!message) return;
      check(*message);
      reader_->release(*message);
    }
  }

  void sleep() {
    const auto wait = reader_->arm();
    if (!wait) return;
    if (wait->word == nullptr) return nap(wait->at_most.count() / 1000);
    // Longer than the ring's own bound would hide a lost wake-up's cost; the bound itself is the reader's promise.
    (void)shm::futex_wait(*wait->word, wait->expected, shm::Deadline::after(wait->at_most));
  }

  [[nodiscard]] bool nothing_left() const { return reader_->stats().queued == 0; }
  [[nodiscard]] std::uint64_t received() const { return log_.received.load_relaxed(); }

  void finish() {
    const ReaderStats stats = reader_->stats();
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
    count(log_.positions, element_ == 0 ? 1 : message.size / element_);
    if (message.info.lost > 0) count(log_.lost_told, message.info.lost);
    Head head{};
    const bool long_enough = message.size >= sizeof head;
    if (long_enough) std::memcpy(&head, message.data, sizeof head);
    const bool whole = long_enough && head.length == message.size && head.writer < kMostProcesses &&
                       checksum({message.data, message.size}) == head.checksum;
    // A view is judged after it was read: an evicted reader must be told, and then has no message.
    if (reliable_ && !reader_->valid(message)) {
      count(log_.views_lost);
      return;
    }
    // The sequence of a raw message is its index.
    if (!whole || (element_ == 0 && message.info.sequence != head.sequence)) {
      count(log_.torn);
      return;
    }
    if (head.sequence < next_[head.writer]) count(log_.disorder);
    next_[head.writer] = head.sequence + 1;
    count(log_.from[head.writer]);
  }

  ReaderLog& log_;
  bool reliable_;
  std::uint32_t element_;
  std::unique_ptr<Reader> reader_;
  std::vector<std::uint64_t> next_;
};

/// A whole number of elements on a raw topic.
std::size_t random_length(const Options& options, std::mt19937_64& random) {
  const std::size_t length = sizeof(Head) + random() % (options.max_size - sizeof(Head) + 1);
  return options.element == 0 ? length : (length + options.element - 1) / options.element * options.element;
}

}  // namespace

TopicSpec make_spec(const Options& options) {
  TopicSpec spec;
  spec.name = "/stress";
  spec.qos.reliability = options.reliable ? Reliability::reliable : Reliability::best_effort;
  spec.qos.depth = options.depth;
  spec.qos.max_blocking_time = std::chrono::seconds{options.watchdog};
  spec.max_size = options.max_size;
  if (options.element != 0) spec.options["element"] = {std::to_string(options.element) + "B", {}};
  return spec;
}

int write_messages(const Place& place, std::uint32_t index, std::uint64_t messages) {
  Shared& shared = place.shared;
  WriterLog& log = shared.writers[index];
  const std::unique_ptr<Writer> writer = transport().open_writer(place.spec, place.context());
  std::mt19937_64 random(place.options.seed * 1000 + index);
  std::vector<std::byte> buffer(place.options.max_size);
  DeadlyBuffer deadly;
  const bool mortal = place.options.mode == "crash" && index != 0;
  begin(shared);
  // The writer's sequence counts what was sent; a timeout does not raise it, so the message is composed anew.
  for (std::uint64_t sequence = 0; sequence < messages && shared.stop.load_relaxed() == 0;) {
    wait_while_held(shared, shared.hold_writers);
    if (index == 0 && place.options.pause_us != 0) nap(place.options.pause_us);
    const std::size_t length = random_length(place.options, random);
    PublishResult result{};
    if (mortal && random() % 200 == 0) {
      const std::size_t most = std::min<std::size_t>(length, 4096);
      compose(deadly.bytes(most), index, sequence);
      deadly.arm(random() % 2 == 0 ? SIGKILL : SIGSTOP);
      count(log.begun);
      result = writer->publish_copy(deadly.bytes(most), 1);
    } else if (random() % 4 == 0) {
      const LoanedBuffer loan = writer->loan(length);
      if (loan.data == nullptr) return 3;
      compose({loan.data, length}, index, sequence);
      count(log.begun);
      result = writer->publish(loan, length, 1);
    } else {
      compose(std::span(buffer).first(length), index, sequence);
      count(log.begun);
      result = writer->publish_copy(std::span(buffer).first(length), 1);
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

int read_messages(const Place& place, std::uint32_t index, std::uint64_t most) {
  Shared& shared = place.shared;
  Receiver receiver(place, index);
  std::mt19937_64 random(place.options.seed * 7777 + index);
  begin(shared);
  // Three temperaments: sleeps whenever there is nothing; polls; and is slow, which a best_effort reader may be.
  const std::uint32_t temperament = index % 3;
  for (;;) {
    wait_while_held(shared, shared.hold_readers);
    const bool last_round = shared.writers_done.load_acquire() != 0;
    if (receiver.received() >= most && !last_round) return 0;
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
