#include <sluice/plugin.hpp>
#include <sluice/shm/doorbell.hpp>
#include <sluice/transport.hpp>

#include <array>

// A transport for tests, in which what real ones do by bad luck happens on command:
//  - publishing ends with the PublishResult that is the message's first byte;
//  - messages in a row that are uncertain are so together, as where a batch is given its positions at once;
//  - a reader finds kWaiting messages, whose bytes are their number, and every third one was overwritten;
//  - there is never a loan;
//  - with `silent: true` a message comes whenever the reader has gone to sleep, and nobody rings.
namespace sluice::test {

namespace {

constexpr std::uint8_t kWaiting = 100;

class ScriptedWriter final : public Writer {
 public:
  [[nodiscard]] LoanedBuffer loan(std::size_t /*bytes*/) noexcept override {
    return {.refused = PublishResult::out_of_chunks};
  }
  PublishResult publish(const LoanedBuffer& loan, std::size_t used, std::int64_t published_ns) noexcept override {
    return publish_copy({loan.data, used}, published_ns);
  }
  void discard(const LoanedBuffer& /*loan*/) noexcept override {}

  PublishResult publish_copy(std::span<const std::byte> payload, std::int64_t /*published_ns*/) noexcept override {
    const PublishResult result = result_of(payload);
    const bool sent = result == PublishResult::ok || result == PublishResult::uncertain;
    books_.published += sent ? 1 : 0;
    books_.bytes += sent ? payload.size() : 0;
    books_.uncertain += result == PublishResult::uncertain ? 1 : 0;
    books_.timeouts += result == PublishResult::timeout ? 1 : 0;
    return result;
  }

  BatchResult publish_batch(std::span<const std::span<const std::byte>> payloads,
                            std::int64_t published_ns) noexcept override {
    BatchResult batch = Writer::publish_batch(payloads, published_ns);
    if (batch.result != PublishResult::uncertain) return batch;
    for (std::size_t at = batch.sent + 1; at < payloads.size() && result_of(payloads[at]) == batch.result; ++at) {
      (void)publish_copy(payloads[at], published_ns);
    }
    return batch;
  }

  [[nodiscard]] std::uint32_t reader_count() const override { return 1; }
  [[nodiscard]] WriterStats stats() const noexcept override { return books_; }
  [[nodiscard]] PublisherId id() const noexcept override { return 1; }

 private:
  static PublishResult result_of(std::span<const std::byte> payload) noexcept {
    return static_cast<PublishResult>(payload.front());
  }

  WriterStats books_;
};

class ScriptedReader final : public Reader {
 public:
  ScriptedReader(std::size_t size, bool silent) : size_(size), silent_(silent) {
    for (std::size_t number = 0; number < kWaiting; ++number) {
      messages_[number].assign(size_, static_cast<std::byte>(number));
    }
  }

  [[nodiscard]] std::optional<TakenMessage> take() noexcept override {
    if (books_.received == kWaiting || (silent_ && !slept_)) return std::nullopt;
    slept_ = false;
    const std::uint64_t number = books_.received++;
    return TakenMessage{messages_[number].data(), size_, {number, 1, 1, 0}, number};
  }
  void release(const TakenMessage& /*message*/) noexcept override {}
  [[nodiscard]] bool valid(const TakenMessage& message) const noexcept override { return message.handle % 3 != 2; }
  [[nodiscard]] std::optional<WaitFor> arm() noexcept override {
    slept_ = true;
    if (silent_) return WaitFor{&bell_, 0, shm::kLongestSleep, true};
    return WaitFor{nullptr, 0, std::chrono::milliseconds{1}};
  }
  [[nodiscard]] std::uint32_t writer_count() const override { return 1; }
  [[nodiscard]] ReaderStats stats() const noexcept override { return books_; }

 private:
  std::size_t size_;
  bool silent_;
  bool slept_ = false;
  shm::SharedAtomic<std::uint32_t> bell_{};
  std::array<std::vector<std::byte>, kWaiting> messages_;
  ReaderStats books_;
};

constexpr TransportTraits kTraits{.reliable = true, .many_publishers = true, .many_subscribers = true};

class ScriptedTransport final : public Transport {
 public:
  [[nodiscard]] std::string name() const override { return "scripted"; }
  [[nodiscard]] TransportTraits traits(const TopicSpec& /*spec*/) const override { return kTraits; }
  void validate(const TopicSpec& /*spec*/) const override {}
  [[nodiscard]] std::unique_ptr<Writer> open_writer(const TopicSpec&, const TransportContext&) override {
    return std::make_unique<ScriptedWriter>();
  }
  [[nodiscard]] std::unique_ptr<Reader> open_reader(const TopicSpec& spec, const TransportContext&) override {
    return std::make_unique<ScriptedReader>(spec.max_size, spec.options.contains("silent"));
  }
};

}  // namespace

}  // namespace sluice::test

SLUICE_PLUGIN(sluice::test::ScriptedTransport, "scripted", "0.1.0", "what real transports do by bad luck",
              sluice::test::kTraits);
