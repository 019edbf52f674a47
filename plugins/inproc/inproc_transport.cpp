#include <sluice/plugin.hpp>
#include <sluice/transport_options.hpp>

#include <cstring>

#include "inproc/channel.hpp"

namespace sluice::inproc {

namespace {

constexpr TransportTraits kTraits{.zero_copy = true,
                                  .reliable = true,
                                  .many_publishers = true,
                                  .many_subscribers = true,
                                  .latest_value = false,
                                  .foreign_peers = false,
                                  .between_processes = false,
                                  .transient_local = false};

class InprocWriter final : public Writer {
 public:
  InprocWriter(std::shared_ptr<Channel> channel, std::chrono::nanoseconds max_blocking_time)
      : channel_(std::move(channel)), max_blocking_time_(max_blocking_time), pool_(channel_->add_writer(publisher_)) {}
  ~InprocWriter() override { channel_->remove_writer(pool_); }

  [[nodiscard]] LoanedBuffer loan(std::size_t bytes) noexcept override {
    if (bytes > pool_->message_size()) return {.refused = PublishResult::too_large};
    Message* message = pool_->acquire();
    if (message == nullptr) return {.refused = PublishResult::out_of_chunks};
    return {message->bytes(), pool_->message_size(), reinterpret_cast<std::uintptr_t>(message)};
  }

  void discard(const LoanedBuffer& loan) noexcept override { message_of(loan).loaned = false; }

  PublishResult publish(const LoanedBuffer& loan, std::size_t used, std::int64_t published_ns) noexcept override {
    Message& message = message_of(loan);
    if (used > pool_->message_size()) {
      message.loaned = false;
      return PublishResult::too_large;
    }
    message.length = used;
    message.sequence = sequence_;
    message.published_ns = published_ns;
    message.publisher = publisher_;
    const bool sent = channel_->publish(message, max_blocking_time_);
    message.loaned = false;
    if (!sent) {
      ++books_.timeouts;
      return PublishResult::timeout;
    }
    ++sequence_;
    ++books_.published;
    books_.bytes += used;
    return PublishResult::ok;
  }

  PublishResult publish_copy(std::span<const std::byte> payload, std::int64_t published_ns) noexcept override {
    const LoanedBuffer buffer = loan(payload.size());
    if (buffer.data == nullptr) return buffer.refused;
    if (!payload.empty()) std::memcpy(buffer.data, payload.data(), payload.size());
    return publish(buffer, payload.size(), published_ns);
  }

  [[nodiscard]] std::uint32_t reader_count() const override { return channel_->reader_count(); }
  [[nodiscard]] WriterStats stats() const noexcept override { return books_; }
  [[nodiscard]] PublisherId id() const noexcept override { return publisher_; }

 private:
  static Message& message_of(const LoanedBuffer& loan) noexcept { return *reinterpret_cast<Message*>(loan.handle); }

  std::shared_ptr<Channel> channel_;
  std::chrono::nanoseconds max_blocking_time_;
  std::uint64_t publisher_ = 0;
  std::shared_ptr<MessagePool> pool_;
  std::uint64_t sequence_ = 0;
  WriterStats books_;
};

class InprocReader final : public Reader {
 public:
  explicit InprocReader(std::shared_ptr<Channel> channel)
      : channel_(std::move(channel)), inbox_(channel_->add_reader()), next_(inbox_->joined()) {}
  ~InprocReader() override { channel_->remove_reader(inbox_); }

  [[nodiscard]] std::optional<TakenMessage> take() noexcept override {
    Message* message = inbox_->pop();
    if (message == nullptr) return std::nullopt;
    if (channel_->reliable() && channel_->space().waiting()) channel_->space().ring();
    const std::uint64_t lost = message->position - next_;
    next_ = message->position + 1;
    ++received_;
    bytes_ += message->length;
    return TakenMessage{message->bytes(),
                        message->length,
                        {message->sequence, message->published_ns, message->publisher, lost},
                        reinterpret_cast<std::uintptr_t>(message)};
  }

  void release(const TakenMessage& message) noexcept override { reinterpret_cast<Message*>(message.handle)->drop(); }

  [[nodiscard]] bool valid(const TakenMessage& /*message*/) const noexcept override { return true; }

  [[nodiscard]] std::optional<WaitFor> arm() noexcept override {
    const std::uint32_t value = channel_->doorbell().arm();
    if (!inbox_->empty()) return std::nullopt;
    return WaitFor{&channel_->doorbell().word(), value, shm::kLongestSleep, true};
  }

  [[nodiscard]] std::uint32_t writer_count() const override { return channel_->writer_count(); }

  [[nodiscard]] ReaderStats stats() const noexcept override {
    ReaderStats stats;
    stats.joined = inbox_->joined();
    stats.received = received_;
    // Before `reserved`: what is lost was reserved before, so the difference never goes below zero.
    stats.lost = inbox_->lost();
    stats.reserved = channel_->reserved();
    stats.bytes = bytes_;
    stats.queued = stats.reserved - stats.joined - stats.received - stats.lost;
    return stats;
  }

 private:
  std::shared_ptr<Channel> channel_;
  std::shared_ptr<Inbox> inbox_;
  std::uint64_t next_;
  std::uint64_t received_ = 0;
  std::uint64_t bytes_ = 0;
};

/// Topics between the nodes of one process: messages are handed over by reference and never copied.
class InprocTransport final : public Transport {
 public:
  [[nodiscard]] std::string name() const override { return "inproc"; }
  [[nodiscard]] TransportTraits traits(const TopicSpec& /*spec*/) const override { return kTraits; }
  void validate(const TopicSpec& spec) const override { OptionReader(spec).require_known({}, "transport 'inproc'"); }

  [[nodiscard]] std::unique_ptr<Writer> open_writer(const TopicSpec& spec, const TransportContext& context) override {
    return std::make_unique<InprocWriter>(Channel::open(spec, context.directory), spec.qos.max_blocking_time);
  }
  [[nodiscard]] std::unique_ptr<Reader> open_reader(const TopicSpec& spec, const TransportContext& context) override {
    return std::make_unique<InprocReader>(Channel::open(spec, context.directory));
  }

  [[nodiscard]] Footprint footprint(const TopicSpec& spec) const override {
    Footprint footprint;
    footprint.detail = "private memory only: messages of " + std::to_string(spec.max_size) + " bytes as they are used";
    return footprint;
  }

  /// Whether the topic is there only its own process can know.
  [[nodiscard]] TopicReport inspect(const TopicSpec& spec, const TransportContext& context) const override {
    TopicReport report = Transport::inspect(spec, context);
    report.copies = {{.up_to = spec.max_size, .publish_loan = 0, .publish_copy = 1, .take = 0}};
    return report;
  }
};

}  // namespace

}  // namespace sluice::inproc

SLUICE_PLUGIN(sluice::inproc::InprocTransport, "inproc", "0.1.0",
              "topics between the nodes of one process, handed over by reference", sluice::inproc::kTraits);
