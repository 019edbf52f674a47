#include <signal.h>
#include <sys/prctl.h>

#include <sluice/plugin.hpp>
#include <sluice/shm/doorbell.hpp>
#include <sluice/shm/sleep.hpp>

#include "stress/topic_traffic.hpp"

extern "C" const sluice::PluginDescriptor sluice_plugin_descriptor;

namespace sluice::stress {

namespace {

/// One life of a subscription: from joining to leaving.
class Life {
 public:
  Life(const Traffic& traffic, ProcessLog& log, Subscriber& subscriber, Transport& transport, std::mt19937_64& random)
      : traffic_(traffic),
        log_(log),
        subscriber_(subscriber),
        random_(random),
        expected_(kMostPublishers, 0),
        reader_(transport.open_reader(spec_for(traffic, subscriber), traffic.context())) {
    log_.alive.store_release(1);
    const ReaderStats stats = reader_->stats();
    const std::uint64_t history =
        traffic.spec.qos.durability == Durability::transient_local ? traffic.spec.qos.history : 0;
    if (subscriber.group.empty() && stats.reserved - stats.joined < std::min(history, stats.reserved)) {
      traffic_.fault("a late joiner got less than the history");
    }
  }

  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;
  ~Life() {
    while (!held_.empty()) let_go();
  }

  /// Whether it was told to stop and nothing is left. Otherwise it leaves after `rounds`.
  bool run(std::uint64_t rounds) {
    for (; rounds > 0; --rounds) {
      const bool last = log_.stop.load_acquire() != 0;
      const bool idle = take_some();
      while (!held_.empty() && (held_.size() > kMostHeld || last || random_() % 3 == 0)) let_go();
      check_books();
      if (last && idle && held_.empty() && reader_->stats().queued == 0) return true;
      if (idle) sleep();
      if (random_() % 64 == 0) shm::sleep_for(std::chrono::microseconds{random_() % 2000});
    }
    return false;
  }

  void write_down() {
    while (!held_.empty()) let_go();
    check_books();
    const ReaderStats stats = reader_->stats();
    if (views_lost_ != 0 && stats.evictions == 0) traffic_.fault("a view was lost without eviction");
    log_.joined.store_release(stats.joined);
    log_.reserved.store_release(stats.reserved);
    log_.received.store_release(stats.received);
    log_.redelivered.store_release(stats.redelivered);
    log_.lost.store_release(stats.lost);
    log_.skipped.store_release(stats.skipped);
    log_.evictions.store_release(stats.evictions);
    log_.ended.store_release(1);
  }

 private:
  static constexpr std::uint32_t kMostPublishers = 1U << 15U;
  static constexpr std::size_t kMostHeld = 5;

  static TopicSpec spec_for(const Traffic& traffic, const Subscriber& subscriber) {
    TopicSpec spec = traffic.spec;
    if (!subscriber.group.empty()) spec.options["group"] = {subscriber.group, {}};
    return spec;
  }

  /// Whether nothing was there.
  bool take_some() {
    for (std::uint64_t k = 1 + random_() % 16; k > 0; --k) {
      const auto message = reader_->take();
      if (!message) {
        if (!reader_->holds_too_many()) return true;
        if (held_.empty()) traffic_.fault("it holds too many, and holds none");
        if (!held_.empty()) let_go();
        continue;
      }
      first_look(*message);
      held_.push_back(*message);
      if (random_() % 4 != 0) let_go();
    }
    return false;
  }

  void first_look(const TakenMessage& message) {
    const MessageInfo& info = message.info;
    ++(info.redelivered ? redelivered_ : received_);
    lost_told_ += info.lost;
    log_.progress.store_release(log_.progress.load_relaxed() + 1);
    if (!look(message)) return;
    if (!subscriber_.received.has_room_for(info.publisher, info.sequence) ||
        !traffic_.log.begun.contains(info.publisher, info.sequence)) {
      return traffic_.fault("a message that nobody sent: " + describe(message));
    }
    const bool is_new = subscriber_.received.insert(info.publisher, info.sequence);
    const bool once = !subscriber_.comes_and_goes;  // history comes with each life
    if (!is_new && once && !info.redelivered) traffic_.fault("a message came twice: " + describe(message));
    if (info.redelivered) {
      if (traffic_.nobody_dies) traffic_.fault("nobody died, and yet redelivered: " + describe(message));
      return;
    }
    std::uint64_t& expected = expected_[info.publisher % kMostPublishers];
    if (info.sequence < expected) traffic_.fault("out of order: " + describe(message));
    const bool complete = traffic_.nobody_dies && traffic_.reliable() && subscriber_.group.empty();
    if (complete && expected != 0 && info.sequence != expected)
      traffic_.fault("one is missing before " + describe(message));
    expected = info.sequence + 1;
  }

  /// Whether it is as it was sent. A message in its cell is lost with the eviction of a reliable reader; one in a chunk
  /// is not, nor one that was copied out.
  bool look(const TakenMessage& message) {
    const bool whole = is_whole(message.data, message.size, message.info.publisher, message.info.sequence);
    if (whole) return true;
    if (reader_->valid(message)) traffic_.fault("torn: " + describe(message));
    ++views_lost_;
    return false;
  }

  /// Looks once more at any of those held, and gives it back.
  void let_go() {
    const std::size_t k = random_() % held_.size();
    (void)look(held_[k]);
    reader_->release(held_[k]);
    held_[k] = held_.back();
    held_.pop_back();
  }

  void check_books() {
    const ReaderStats stats = reader_->stats();
    const auto require = [&](bool holds, const char* what) {
      if (!holds) traffic_.fault(what + describe(stats));
    };
    require(stats.received == received_, "its books are not what it took");
    require(stats.redelivered == redelivered_, "its books are not what it took over");
    require(lost_told_ <= stats.lost, "it was told of more losses than are in its books");
    const bool evicted = stats.evictions > 0 || !traffic_.nobody_dies;  // which it may not know of yet
    require(views_lost_ == 0 || evicted, "a view was lost without eviction");
    require(stats.received + stats.lost + stats.skipped <= stats.reserved - stats.joined, "more than there was");
    require(!traffic_.reliable() || evicted || stats.lost == 0, "reliable, and lost");
    if (!subscriber_.group.empty()) return;
    require(stats.received + stats.lost + stats.skipped + stats.queued == stats.reserved - stats.joined,
            "the books do not balance");
  }

  void sleep() {
    if (!held_.empty()) {  // nobody would ring when it is us whom the publishers wait for
      let_go();
      return shm::sleep_for(std::chrono::microseconds{random_() % 100});
    }
    const auto wait = reader_->arm();
    if (wait && wait->word != nullptr) {
      const auto at_most = std::min<std::chrono::nanoseconds>(wait->at_most, std::chrono::milliseconds{100});
      (void)shm::futex_wait(*wait->word, wait->expected, shm::Deadline::after(at_most));
    }
  }

  static std::string describe(const TakenMessage& message) {
    return std::to_string(message.info.sequence) + " of publisher " + std::to_string(message.info.publisher) + ", " +
           std::to_string(message.size) + " bytes";
  }
  static std::string describe(const ReaderStats& stats) {
    return ": joined " + std::to_string(stats.joined) + " reserved " + std::to_string(stats.reserved) + " received " +
           std::to_string(stats.received) + " lost " + std::to_string(stats.lost) + " skipped " +
           std::to_string(stats.skipped) + " queued " + std::to_string(stats.queued) + " evictions " +
           std::to_string(stats.evictions);
  }

  const Traffic& traffic_;
  ProcessLog& log_;
  Subscriber& subscriber_;
  std::mt19937_64& random_;
  std::vector<std::uint64_t> expected_;  ///< Of each publisher: the next sequence.
  std::unique_ptr<Reader> reader_;
  std::vector<TakenMessage> held_;
  std::uint64_t received_ = 0;
  std::uint64_t redelivered_ = 0;
  std::uint64_t lost_told_ = 0;
  std::uint64_t views_lost_ = 0;
};

}  // namespace

int receive_messages(const Traffic& traffic, ProcessLog& log, Subscriber subscriber, std::uint64_t seed) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::mt19937_64 random(seed);
  const std::unique_ptr<Transport> transport(sluice_plugin_descriptor.create());
  for (;;) {
    Life life(traffic, log, subscriber, *transport, random);
    const std::uint64_t rounds = subscriber.comes_and_goes ? 1 + random() % 400 : UINT64_MAX;
    if (!life.run(rounds)) continue;
    life.write_down();
    return 0;
  }
}

}  // namespace sluice::stress
