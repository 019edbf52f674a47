#include "kill_points/players.hpp"

#include <ctime>
#include <memory>
#include <random>

#include <sluice/plugin.hpp>
#include <sluice/shm/deadline.hpp>
#include <sluice/shm/doorbell.hpp>

#include "slick/topic_file.hpp"

extern "C" const sluice::PluginDescriptor sluice_plugin_descriptor;

namespace sluice::kill_points {

namespace {

using stress::Head;
using stress::Place;
using stress::Shared;
using stress::Word;

constexpr std::size_t kMostInBatch = 6;

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

void count(Word& word, std::uint64_t more = 1) { word.store_release(word.load_relaxed() + more); }

/// One publisher: what it sends next, and its log.
class Sender {
 public:
  Sender(const Place& place, std::uint32_t index)
      : place_(place),
        index_(index),
        log_(place.shared.writers[index]),
        writer_(transport().open_writer(place.spec, place.context())),
        random_(place.options.seed * 1000 + index),
        memory_(kMostInBatch * place.options.max_size) {}

  [[nodiscard]] std::uint64_t sent() const { return sequence_; }
  void finish() { log_.finished.store_release(1); }

  /// False: something that must not happen.
  [[nodiscard]] bool send_one() {
    const std::size_t length = random_length();
    if (random_() % 3 != 0) {
      const std::span<std::byte> bytes = compose_at(0, length);
      count(log_.begun);
      return account(writer_->publish_copy(bytes, 1));
    }
    const LoanedBuffer loan = writer_->loan(length);
    if (loan.data == nullptr) {
      nap(200);
      return loan.refused == PublishResult::out_of_chunks;
    }
    stress::compose({loan.data, length}, index_, sequence_);
    count(log_.begun);
    return account(writer_->publish(loan, length, 1));
  }

  [[nodiscard]] bool send_batch() {
    std::array<std::span<const std::byte>, kMostInBatch> payloads;
    const std::size_t wanted = 1 + random_() % kMostInBatch;
    for (std::size_t k = 0; k < wanted; ++k) payloads[k] = compose_at(k, random_length());
    count(log_.begun, wanted);
    const std::uint64_t uncertain_before = writer_->stats().uncertain;
    const BatchResult batch = writer_->publish_batch(std::span(payloads).first(wanted), 1);
    const std::uint64_t uncertain = writer_->stats().uncertain - uncertain_before;
    count(log_.ok, batch.sent);
    count(log_.uncertain, uncertain);
    count(log_.timeouts, wanted - batch.sent - uncertain);
    sequence_ += batch.sent + uncertain;
    return is_expected(batch.result);
  }

 private:
  /// A whole number of elements is not asked for here: these topics are not raw.
  [[nodiscard]] std::size_t random_length() {
    return sizeof(Head) + random_() % (place_.options.max_size - sizeof(Head) + 1);
  }

  [[nodiscard]] std::span<std::byte> compose_at(std::size_t place, std::size_t length) {
    const std::span<std::byte> bytes = std::span(memory_).subspan(place * place_.options.max_size, length);
    stress::compose(bytes, index_, sequence_ + place);
    return bytes;
  }

  [[nodiscard]] static bool is_expected(PublishResult result) {
    return result == PublishResult::ok || result == PublishResult::uncertain || result == PublishResult::timeout ||
           result == PublishResult::out_of_chunks;
  }

  [[nodiscard]] bool account(PublishResult result) {
    Word& word = result == PublishResult::ok          ? log_.ok
                 : result == PublishResult::uncertain ? log_.uncertain
                                                      : log_.timeouts;
    count(word);
    if (result == PublishResult::ok || result == PublishResult::uncertain) ++sequence_;
    return is_expected(result);
  }

  const Place& place_;
  std::uint32_t index_;
  stress::WriterLog& log_;
  std::unique_ptr<Writer> writer_;
  std::mt19937_64 random_;
  std::vector<std::byte> memory_;
  std::uint64_t sequence_ = 0;
};

class Member {
 public:
  Member(const Place& place, GroupLog& group, std::uint32_t index)
      : group_(group),
        log_(group.members[index]),
        reader_(transport().open_reader(place.spec, place.context())),
        file_(slick::TopicFile::open(place.spec, slick::parse_topic_options(place.spec), place.context())) {
    log_.opened.store_release(1);
  }

  /// Whether there was a message.
  bool take_one() {
    const auto message = reader_->take();
    if (!message) return false;
    Head head{};
    const bool whole = message->size >= sizeof(head) &&
                       (std::memcpy(&head, message->data, sizeof(head)), head.length == message->size) &&
                       stress::checksum({message->data, message->size}) == head.checksum &&
                       message->info.sequence == head.sequence;
    if (!whole) count(log_.torn);
    const bool counted = whole && head.writer < kGroupWriters && head.sequence < kGroupMessages;
    if (counted && !message->info.redelivered) group_.fresh[head.writer][head.sequence].fetch_add_relaxed(1);
    if (counted) log_.releasing.store_release((std::uint64_t{head.writer} << 32U | head.sequence) + 1);
    reader_->release(*message);
    if (counted) group_.acknowledged[head.writer][head.sequence].fetch_add_relaxed(1);
    log_.releasing.store_release(0);
    count(log_.acknowledged);
    return true;
  }

  void sleep() {
    const auto wait = reader_->arm();
    if (wait) (void)shm::futex_wait(*wait->word, wait->expected, shm::Deadline::after(wait->at_most));
  }

  /// Everything that was published has been given back, by whomever.
  [[nodiscard]] bool nothing_left() const {
    return file_.group(0).cursor.load_acquire() >= file_.control().reserved.load_acquire();
  }

  void finish() {
    const ReaderStats stats = reader_->stats();
    log_.received.store_release(stats.received);
    log_.redelivered.store_release(stats.redelivered);
    log_.lost.store_release(stats.lost);
    log_.skipped.store_release(stats.skipped);
    log_.joined.store_release(stats.joined);
    log_.reserved.store_release(stats.reserved);
    log_.evictions.store_release(stats.evictions);
    log_.finished.store_release(1);
  }

 private:
  GroupLog& group_;
  MemberLog& log_;
  std::unique_ptr<Reader> reader_;
  slick::TopicFile file_;
};

}  // namespace

int publish_messages(const Place& place, std::uint32_t index, std::uint64_t messages, bool batches) {
  const Shared& shared = place.shared;
  Sender sender(place, index);
  while (sender.sent() < messages && shared.stop.load_relaxed() == 0) {
    wait_while_held(shared, shared.hold_writers);
    if (index == 0 && place.options.pause_us != 0) nap(place.options.pause_us);
    if (!(batches ? sender.send_batch() : sender.send_one())) return 4;
  }
  sender.finish();
  return 0;
}

int read_as_member(const Place& place, GroupLog& group, std::uint32_t index, std::uint64_t most) {
  const Shared& shared = place.shared;
  Member member(place, group, index);
  std::uint64_t taken = 0;
  for (;;) {
    wait_while_held(shared, shared.hold_readers);
    const bool last_round = shared.writers_done.load_acquire() != 0;
    for (int k = 0; k < 20 && taken < most && member.take_one(); ++k) ++taken;
    if (taken >= most || (last_round && member.nothing_left())) break;
    member.sleep();
  }
  member.finish();
  return 0;
}

}  // namespace sluice::kill_points
