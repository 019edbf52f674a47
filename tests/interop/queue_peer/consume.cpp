#include <cstring>
#include <map>
#include <vector>

#include <sluice/slick/shared_cursor.hpp>

#include "run.hpp"

namespace queue_peer {

using sluice::slick::Ring;
using sluice::slick::SharedCursor;
using sluice::slick::UntypedQueue;

namespace {

// One reader and its books: cursor - start = elements + discarded + lost + skipped, of a group for the sums of all.
class Reader {
 public:
  Reader(UntypedQueue& queue, const Options& options, std::atomic<std::uint64_t>* shared)
      : queue_(queue),
        options_(options),
        shared_(shared),
        cursor_(options.start),
        log_(options.log),
        gaps_(options.gaps) {}

  // Whether there was a message; it may have been discarded.
  bool take() {
    pause_before();
    const std::uint64_t from = cursor_;
    const std::uint64_t lost = queue_.loss_count();
    const std::uint64_t skipped = queue_.skipped_count();
    const auto message = read();
    if (shared_ == nullptr) {
      const std::uint64_t to = message ? message->index : cursor_;
      note_gap(from, to, queue_.loss_count() - lost, queue_.skipped_count() - skipped);
    }
    if (!message) return false;
    ++taken_;
    if (!options_.in_place || options_.unchecked || queue_.still_valid(message->index)) {
      account(*message);
    } else {
      discarded_ += message->size;
      gaps_.gap(message->index, message->index + message->size, message->size, 0);
    }
    return true;
  }

  // Takes what there is, up to a batch; whether there was anything.
  bool take_many() {
    std::uint64_t taken = 0;
    while (taken < kBatch && (!options_.count || messages_ < *options_.count) && take()) ++taken;
    return taken != 0;
  }

  [[nodiscard]] std::uint64_t messages() const { return messages_; }
  [[nodiscard]] std::uint64_t skipped() const { return queue_.skipped_count(); }
  [[nodiscard]] bool sound() const {
    if (options_.unchecked) return true;  // whatever is found is right
    return disorder_ == 0 && unbalanced_ == 0 && resets_ == 0 && torn_ == 0;
  }
  [[nodiscard]] nlohmann::json report() const {
    nlohmann::json sources = nlohmann::json::object();
    for (const auto& [producer, received] : received_) sources[std::to_string(producer)] = received;
    return {{"messages", messages_},
            {"elements", elements_},
            {"lost", queue_.loss_count()},
            {"skipped", queue_.skipped_count()},
            {"discarded", discarded_},
            {"torn", torn_},
            {"disorder", disorder_},
            {"unbalanced", unbalanced_},
            {"resets", resets_},
            {"start", options_.start},
            {"cursor", shared_ != nullptr ? shared_->load() : cursor_},
            {"reserved", queue_.initial_reading_index()},
            {"sources", sources}};
  }

 private:
  static constexpr std::uint64_t kBatch = 4096;

  std::optional<Ring::Message> read() {
    const auto copy_found = [this](const Ring::Message& found) { copy(found); };
    if (!options_.in_place)
      return shared_ != nullptr ? queue_.read(*shared_, copy_found) : queue_.read(cursor_, copy_found);
    const auto message = shared_ != nullptr ? queue_.read(*shared_) : queue_.read(cursor_);
    if (message) copy(*message);
    return message;
  }

  void copy(const Ring::Message& message) {
    bytes_.resize(std::size_t{message.size} * queue_.element_size());
    const std::size_t half = bytes_.size() / 2;
    const std::byte* source = queue_.ring().element(message.index);
    std::memcpy(bytes_.data(), source, half);
    if (options_.pause_inside && turn_to_pause()) pause();
    std::memcpy(bytes_.data() + half, source + half, bytes_.size() - half);
  }

  // A turn is used up by the first pause: a copy may be made anew for the same message.
  [[nodiscard]] bool turn_to_pause() {
    if (options_.pause_every == 0 || taken_ < next_pause_) return false;
    next_pause_ = taken_ + options_.pause_every;
    return true;
  }
  void pause() const { std::this_thread::sleep_for(nanoseconds(options_.pause_ms / 1e3)); }
  void pause_before() {
    if (!options_.pause_inside && turn_to_pause()) pause();
  }

  void note_gap(std::uint64_t from, std::uint64_t to, std::uint64_t lost, std::uint64_t skipped) {
    if (to < from) {
      ++resets_;
    } else if (to - from != lost + skipped) {
      ++unbalanced_;
    }
    if (to != from) gaps_.gap(from, to, lost, skipped);
  }

  void account(const Ring::Message& message) {
    auto origin = slick_peer::read_message(bytes_, queue_.element_size());
    const auto& [smallest, largest] = options_.n;
    if (origin && options_.check_sizes &&
        message.size != slick_peer::message_size(options_.seed, *origin, smallest, largest)) {
      origin.reset();
    }
    ++messages_;
    elements_ += message.size;
    if (origin) {
      std::uint64_t& next = next_sequence_[origin->producer];
      if (origin->sequence < next) ++disorder_;
      next = origin->sequence + 1;
      ++received_[origin->producer];
    } else {
      ++torn_;
    }
    log_.message(message.index, message.size, origin, bytes_);
  }

  UntypedQueue& queue_;
  const Options& options_;
  std::atomic<std::uint64_t>* shared_;  // null: a private cursor
  std::uint64_t cursor_;
  Log log_;
  Log gaps_;
  std::vector<std::byte> bytes_;
  std::uint64_t taken_ = 0;
  std::uint64_t next_pause_ = 0;

  std::uint64_t messages_ = 0;
  std::uint64_t elements_ = 0;
  std::uint64_t discarded_ = 0;
  std::uint64_t torn_ = 0;
  std::uint64_t disorder_ = 0;
  std::uint64_t unbalanced_ = 0;  // reads whose counts are not what the cursor moved
  std::uint64_t resets_ = 0;
  std::map<std::uint64_t, std::uint64_t> next_sequence_;
  std::map<std::uint64_t, std::uint64_t> received_;
};

// Ends with `count` messages, when idle for --until-idle, or with nothing left once the stop file is there: nothing for
// as long as a hole may hold it up (three times its time-out, if the queue watched another place before), and for
// longer than the queue may go without a close look. There may be several holes in a row.
void read_to_the_end(Reader& reader, const Options& options, const Bounds& bounds) {
  using Clock = std::chrono::steady_clock;
  Clock::time_point last = Clock::now();
  Clock::time_point give_up = Clock::time_point::max();
  std::uint64_t skipped = 0;
  const auto patience = nanoseconds(4 * options.hole_timeout) + std::chrono::milliseconds{50};
  while (!options.count || reader.messages() < *options.count) {
    const bool stopping = bounds.stopped();  // looked at first: what was published before it must still be read
    const Clock::time_point now = Clock::now();
    if (reader.take_many() || reader.skipped() != skipped) {
      last = now;
      skipped = reader.skipped();
      give_up = Clock::time_point::max();
      bounds.check();
      continue;
    }
    if (stopping && give_up == Clock::time_point::max()) give_up = now + patience;
    if (now > give_up) break;
    if (options.until_idle && now - last > nanoseconds(*options.until_idle)) break;
    if (options.spin) {
      bounds.check();
    } else {
      bounds.nap();
    }
  }
}

}  // namespace

int consume(UntypedQueue& queue, const Options& options, const Bounds& bounds) {
  std::optional<SharedCursor> group;
  if (!options.cursor.empty()) group.emplace(options.cursor, options.start);
  Reader reader(queue, options, group ? &group->get() : nullptr);
  emit("reading", {{"start", options.start}, {"created", group && group->created()}});
  bounds.await_start();
  read_to_the_end(reader, options, bounds);
  emit("done", reader.report());
  const bool complete = !options.count || reader.messages() == *options.count;
  return complete && reader.sound() ? kSuccess : kUnsound;
}

}  // namespace queue_peer
