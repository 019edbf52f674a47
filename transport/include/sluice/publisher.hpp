#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <sluice/export.hpp>
#include <sluice/graph.hpp>
#include <sluice/shm/deadline.hpp>
#include <sluice/topic_spec.hpp>
#include <sluice/transport.hpp>
#include <sluice/type_name.hpp>

namespace sluice {

namespace detail {

class EndpointPresence;
class Runtime;
struct EndpointOwner;
struct EndpointStatistics;

/// What every publisher is made of. One thread at a time.
class SLUICE_EXPORT PublisherCore {
 public:
  PublisherCore(std::shared_ptr<Runtime> runtime, const TransportContext& context, TopicSpec spec,
                const EndpointOwner& owner);
  ~PublisherCore();
  PublisherCore(const PublisherCore&) = delete;
  PublisherCore& operator=(const PublisherCore&) = delete;

  [[nodiscard]] LoanedBuffer loan(std::size_t bytes) noexcept { return writer_->loan(bytes); }
  void discard(const LoanedBuffer& loan) noexcept { writer_->discard(loan); }
  PublishResult publish(const LoanedBuffer& loan, std::size_t used);
  PublishResult publish_copy(std::span<const std::byte> payload);
  BatchResult publish_batch(std::span<const std::span<const std::byte>> payloads);

  BatchResult publish_batch(std::span<const std::byte> messages, std::size_t each);
  [[nodiscard]] std::string explain(PublishResult result, std::size_t bytes) const;
  [[nodiscard]] bool wait_for_subscribers(std::uint32_t count, std::chrono::nanoseconds timeout) const;

  [[nodiscard]] const TopicSpec& spec() const noexcept { return spec_; }
  [[nodiscard]] Writer& writer() const noexcept { return *writer_; }
  void on_deadline_missed(std::function<void(const DeadlineEvent&)> callback);

 private:
  [[nodiscard]] std::int64_t timestamp() const noexcept { return spec_.timestamps ? shm::monotonic_ns() : 0; }
  void check_not_forked() const;
  BatchResult send_batch(std::span<const std::span<const std::byte>> payloads, std::int64_t published_ns) noexcept;
  PublishResult account(PublishResult result, std::size_t bytes) noexcept;
  void count(std::uint64_t messages, std::uint64_t bytes) noexcept;

  std::shared_ptr<Runtime> runtime_;
  TopicSpec spec_;
  std::unique_ptr<EndpointPresence> presence_;
  std::unique_ptr<Writer> writer_;
  std::uint32_t fork_generation_;
  EndpointStatistics* statistics_;
};

/// A loan that goes back unless it is published.
class LoanGuard {
 public:
  LoanGuard() = default;
  LoanGuard(std::shared_ptr<PublisherCore> publisher, LoanedBuffer buffer) noexcept
      : publisher_(std::move(publisher)), buffer_(buffer) {}
  LoanGuard(LoanGuard&& other) noexcept
      : publisher_(std::move(other.publisher_)), buffer_(std::exchange(other.buffer_, {})) {}
  LoanGuard& operator=(LoanGuard&& other) noexcept {
    std::swap(publisher_, other.publisher_);
    std::swap(buffer_, other.buffer_);
    return *this;
  }
  ~LoanGuard() {
    if (buffer_.data != nullptr) publisher_->discard(buffer_);
  }
  [[nodiscard]] const LoanedBuffer& buffer() const noexcept { return buffer_; }
  [[nodiscard]] LoanedBuffer release() noexcept { return std::exchange(buffer_, {}); }

 private:
  std::shared_ptr<PublisherCore> publisher_;
  LoanedBuffer buffer_;
};

}  // namespace detail

/// Memory of the transport to write one T into. Publish it or drop it; dropping costs nothing.
/// Empty (false) when more loans are held at once than the transport has; refused() says why.
template <FixedMessage T>
class Loan {
 public:
  /// Whether there is memory. The operators below need it.
  explicit operator bool() const noexcept { return guard_.buffer().data != nullptr; }

  /// The message to fill in: whatever an earlier one left there.
  [[nodiscard]] T& operator*() const noexcept { return *reinterpret_cast<T*>(guard_.buffer().data); }

  /// As operator*.
  [[nodiscard]] T* operator->() const noexcept { return &**this; }

  /// Without memory: why (out_of_chunks, too_large). PublisherBase::explain has the sentence.
  [[nodiscard]] PublishResult refused() const noexcept { return guard_.buffer().refused; }

 private:
  template <FixedMessage U>
  friend class Publisher;
  explicit Loan(detail::LoanGuard guard) noexcept : guard_(std::move(guard)) {}
  detail::LoanGuard guard_;
};

/// Memory of the transport to write a message of variable size into.
class BytesLoan {
 public:
  /// Whether there is memory.
  explicit operator bool() const noexcept { return guard_.buffer().data != nullptr; }

  /// At least as many bytes as were asked for; empty without memory.
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {guard_.buffer().data, guard_.buffer().size}; }

  /// As Loan::refused.
  [[nodiscard]] PublishResult refused() const noexcept { return guard_.buffer().refused; }

 private:
  friend class BytesPublisher;
  explicit BytesLoan(detail::LoanGuard guard) noexcept : guard_(std::move(guard)) {}
  detail::LoanGuard guard_;
};

/// What typed and untyped publishers share. Movable; the topic is left by the destructor. One thread at a time.
class PublisherBase {
 public:
  /// Fully qualified.
  [[nodiscard]] const std::string& topic() const noexcept { return core_->spec().name; }

  /// The books since it was opened. Call it in the thread that publishes.
  [[nodiscard]] WriterStats stats() const noexcept { return core_->writer().stats(); }

  /// Subscriptions that would receive a message published now. Raw topics: 0, foreign readers cannot be counted.
  [[nodiscard]] std::uint32_t subscriber_count() const { return core_->writer().reader_count(); }

  /// Blocks until `count` subscriptions are there; false after `timeout` or when the process was asked to end.
  [[nodiscard]] bool wait_for_subscribers(std::uint32_t count, std::chrono::nanoseconds timeout) const {
    return core_->wait_for_subscribers(count, timeout);
  }

  /// Calls `callback` in the thread that spins the node whenever nothing was published for as long as the topic's
  /// `deadline` allows, from the first message on. One callback; an empty one ends it. Any thread. Throws Error when
  /// the topic has no deadline.
  void on_deadline_missed(std::function<void(const DeadlineEvent&)> callback) {
    core_->on_deadline_missed(std::move(callback));
  }

  /// Why a message of `bytes` ended with `result`, or was not lent: a sentence for people that names the topic, the
  /// limit, and what to do. Allocates. Call it in the thread that publishes.
  [[nodiscard]] std::string explain(PublishResult result, std::size_t bytes = 0) const {
    return core_->explain(result, bytes);
  }

 protected:
  explicit PublisherBase(std::shared_ptr<detail::PublisherCore> core) noexcept : core_(std::move(core)) {}
  std::shared_ptr<detail::PublisherCore> core_;
};

/// Publishes messages of a fixed type. Made by Node::advertise.
template <FixedMessage T>
class Publisher : public PublisherBase {
 public:
  /// Memory for one T, not initialised. Never blocks.
  [[nodiscard]] Loan<T> loan() { return Loan<T>({core_, core_->loan(sizeof(T))}); }

  /// Sends a loan. May wait on a reliable topic, at most max_blocking_time. Throws Error only after a fork().
  PublishResult publish(Loan<T>&& loan) { return core_->publish(loan.guard_.release(), sizeof(T)); }

  /// Sends a copy.
  PublishResult publish(const T& message) {
    return core_->publish_copy({reinterpret_cast<const std::byte*>(&message), sizeof(T)});
  }

  /// Sends copies of `messages` in this order until one cannot be sent, all with the same time of publication. Cheaper
  /// for each than publish. May wait as publish does, for each of them. After `uncertain` as many of those behind
  /// `sent` may or may not have arrived as stats().uncertain has risen by.
  BatchResult publish_batch(std::span<const T> messages) {
    return core_->publish_batch(std::as_bytes(messages), sizeof(T));
  }

 private:
  friend class Node;
  using PublisherBase::PublisherBase;
};

/// Publishes messages of variable size. Made by Node::advertise_bytes.
class BytesPublisher : public PublisherBase {
 public:
  /// Memory for at most `max_bytes`; empty when that is more than the topic's max_size.
  [[nodiscard]] BytesLoan loan(std::size_t max_bytes) { return BytesLoan({core_, core_->loan(max_bytes)}); }

  /// Sends the first `used` bytes of a loan.
  PublishResult publish(BytesLoan&& loan, std::size_t used) { return core_->publish(loan.guard_.release(), used); }

  /// Sends a copy.
  PublishResult publish(std::span<const std::byte> payload) { return core_->publish_copy(payload); }

  /// As Publisher::publish_batch.
  BatchResult publish_batch(std::span<const std::span<const std::byte>> payloads) {
    return core_->publish_batch(payloads);
  }

  /// As above, for messages that lie one after the other, `each` bytes long.
  BatchResult publish_batch(std::span<const std::byte> messages, std::size_t each) {
    return core_->publish_batch(messages, each);
  }

 private:
  friend class Node;
  using PublisherBase::PublisherBase;
};

}  // namespace sluice
