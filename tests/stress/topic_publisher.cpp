#include <signal.h>
#include <sys/prctl.h>

#include <cstdio>
#include <functional>

#include <sluice/plugin.hpp>
#include <sluice/shm/sleep.hpp>

#include "stress/topic_traffic.hpp"

extern "C" const sluice::PluginDescriptor sluice_plugin_descriptor;

namespace sluice::stress {

namespace {

void count(Count& word, std::uint64_t more = 1) { word.store_release(word.load_relaxed() + more); }

class Publisher {
 public:
  Publisher(const Traffic& traffic, ProcessLog& log, std::uint64_t messages, std::uint64_t seed)
      : traffic_(traffic),
        log_(log),
        messages_(messages),
        random_(seed),
        transport_(sluice_plugin_descriptor.create()),
        writer_(transport_->open_writer(traffic.spec, traffic.context())),
        buffers_(kMostInBatch, std::vector<std::byte>(traffic.spec.max_size)) {
    log_.alive.store_release(1);
  }

  int run() {
    while (traffic_.go->load_acquire() == 0) shm::sleep_for(std::chrono::microseconds{200});
    while (log_.stop.load_acquire() == 0 && next() < messages_) {
      act();
      log_.progress.store_release(next());
      if (traffic_.pause_us > 0) shm::sleep_for(std::chrono::microseconds{random_() % traffic_.pause_us});
    }
    for (const LoanedBuffer& loan : loans_) writer_->discard(loan);
    return 0;
  }

 private:
  static constexpr std::size_t kMostInBatch = 6;

  /// The next message's sequence.
  [[nodiscard]] std::uint64_t next() const { return writer_->stats().published; }
  [[nodiscard]] std::size_t length() { return random_length(random_, traffic_.spec.max_size); }

  void act() {
    switch (random_() % 8) {
      case 0: take_loan(); break;
      case 1: drop_loan(); break;
      case 2: batch(); break;
      case 3:
      case 4: copy(); break;
      default:
        if (loans_.empty()) take_loan();
        publish_loan();
    }
  }

  void take_loan() {
    if (loans_.size() >= traffic_.max_loans) return;
    const LoanedBuffer loan = writer_->loan(length());
    if (loan.data != nullptr) loans_.push_back(loan);
    if (loan.data == nullptr) refused(loan.refused);
  }

  void drop_loan() {
    if (loans_.empty()) return;
    writer_->discard(loans_.front());
    loans_.erase(loans_.begin());
  }

  void publish_loan() {
    if (loans_.empty()) return;
    const LoanedBuffer loan = loans_.back();
    loans_.pop_back();
    const std::size_t used = std::min(loan.size, length());
    compose(loan.data, used, writer_->id(), next());
    send(1, [&] { return writer_->publish(loan, used, 1); });
  }

  void copy() {
    const std::span<std::byte> payload = std::span(buffers_[0]).first(length());
    compose(payload.data(), payload.size(), writer_->id(), next());
    send(1, [&] { return writer_->publish_copy(payload, 1); });
  }

  void batch() {
    const std::size_t size = std::min<std::uint64_t>(1 + random_() % kMostInBatch, messages_ - next());
    std::vector<std::span<const std::byte>> payloads;
    for (std::size_t k = 0; k < size; ++k) {
      const std::span<std::byte> payload = std::span(buffers_[k]).first(length());
      compose(payload.data(), payload.size(), writer_->id(), next() + k);
      payloads.push_back(payload);
    }
    const std::uint64_t before = next();
    std::size_t sent = 0;
    send(size, [&] {
      const BatchResult result = writer_->publish_batch(payloads, 1);
      sent = result.sent;
      return result.result;
    });
    const std::uint64_t uncertain = writer_->stats().uncertain - uncertain_before_;
    if (next() - before != sent + uncertain) traffic_.fault("a batch's result is not what its writer counted");
  }

  /// Writes down what may be sent, sends it, and writes down what became of it. Of a batch the uncertain are the last.
  void send(std::size_t count_of, const std::function<PublishResult()>& call) {
    const WriterStats before = writer_->stats();
    uncertain_before_ = before.uncertain;
    for (std::uint64_t k = before.published; k < before.published + count_of; ++k) {
      traffic_.log.begun.insert(writer_->id(), k);
    }
    const PublishResult result = call();
    const WriterStats after = writer_->stats();
    const std::uint64_t uncertain = after.uncertain - before.uncertain;
    const std::uint64_t certain_until = after.published - uncertain;
    for (std::uint64_t k = before.published; k < after.published; ++k) {
      (k < certain_until ? traffic_.log.sent : traffic_.log.uncertain).insert(writer_->id(), k);
    }
    const std::uint64_t expected = result == PublishResult::ok ? count_of : after.published - before.published;
    if (after.published - before.published != expected || (uncertain != 0) != (result == PublishResult::uncertain)) {
      traffic_.fault("a publication's result is not what its writer counted");
    }
    if (result != PublishResult::ok && result != PublishResult::uncertain) refused(result);
  }

  void refused(PublishResult result) {
    count(log_.refused);
    if (result != PublishResult::timeout && result != PublishResult::out_of_chunks) {
      traffic_.fault("a publication was refused with " + std::to_string(static_cast<int>(result)));
    }
    drop_loan();  // maybe it is ours that is missing
    shm::sleep_for(std::chrono::microseconds{200});
  }

  const Traffic& traffic_;
  ProcessLog& log_;
  std::uint64_t messages_;
  std::mt19937_64 random_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<Writer> writer_;
  std::vector<std::vector<std::byte>> buffers_;
  std::vector<LoanedBuffer> loans_;
  std::uint64_t uncertain_before_ = 0;
};

}  // namespace

void Traffic::fault(const std::string& what) const {
  faults->fetch_add_acq_rel(1);
  std::fprintf(stderr, "%s: %s\n", spec.name.c_str(), what.c_str());
}

int publish_messages(const Traffic& traffic, ProcessLog& log, std::uint64_t messages, std::uint64_t seed) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  return Publisher(traffic, log, messages, seed).run();
}

}  // namespace sluice::stress
