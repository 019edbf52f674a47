#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include <sluice/bytes_batch.hpp>
#include <sluice/export.hpp>
#include <sluice/graph.hpp>
#include <sluice/shm/deadline.hpp>
#include <sluice/shm/unique_fd.hpp>
#include <sluice/topic_spec.hpp>
#include <sluice/transport.hpp>
#include <sluice/type_name.hpp>

namespace sluice {

namespace detail {

class EndpointPresence;
class Runtime;
struct EndpointOwner;
struct EndpointStatistics;
class Delivery;
class ReadyWatch;

/// What every subscription is made of. With a callback it is driven by one executor; without, by the thread that takes.
class SLUICE_EXPORT SubscriptionCore : public std::enable_shared_from_this<SubscriptionCore> {
 public:
  using Callback = std::function<void(Delivery&)>;

  /// Whether it takes part in the topic or merely looks on.
  enum class Role { subscriber, observer };

  SubscriptionCore(std::shared_ptr<Runtime> runtime, const TransportContext& context, TopicSpec spec,
                   const EndpointOwner& owner, Callback callback, Role role);
  ~SubscriptionCore();
  SubscriptionCore(const SubscriptionCore&) = delete;
  SubscriptionCore& operator=(const SubscriptionCore&) = delete;

  /// Takes at most `most` messages and calls the callback for each; how many there were. Executor only.
  std::size_t dispatch(std::size_t most);

  /// As Reader::arm, after bringing the published statistics up to date.
  [[nodiscard]] std::optional<WaitFor> arm() noexcept;

  /// Throws Error after a fork(): the subscription is the parent's.
  [[nodiscard]] std::optional<TakenMessage> take();
  [[nodiscard]] std::optional<TakenMessage> take_for(std::chrono::nanoseconds timeout);
  [[nodiscard]] std::size_t take_batch(std::span<TakenMessage> out);
  [[nodiscard]] std::size_t take_batch_for(std::span<TakenMessage> out, std::chrono::nanoseconds timeout);

  /// Copies messages of `each` bytes to `out`, one after the other, and gives them back; how many. What is known about
  /// the first infos.size() of them goes to `infos`. See Subscription::take_batch.
  std::size_t take_copies(std::span<std::byte> out, std::size_t each, std::span<MessageInfo> infos);
  std::size_t take_copies_for(std::span<std::byte> out, std::size_t each, std::span<MessageInfo> infos,
                              std::chrono::nanoseconds timeout);
  void release(const TakenMessage& message) noexcept;

  /// See SubscriptionBase.
  [[nodiscard]] int pollable_fd();
  [[nodiscard]] bool arm_fd();

  /// After this no callback runs any more; waits for one that is running in another thread.
  void close() noexcept;

  /// See SubscriptionBase.
  void interrupt() noexcept;
  [[nodiscard]] bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }

  [[nodiscard]] bool wait_for_publishers(std::uint32_t count, std::chrono::nanoseconds timeout) const;
  [[nodiscard]] const TopicSpec& spec() const noexcept { return spec_; }
  [[nodiscard]] Reader& reader() const noexcept { return *reader_; }
  void on_liveliness(std::function<void(const LivelinessEvent&)> callback);
  void on_deadline_missed(std::function<void(const DeadlineEvent&)> callback);
  [[nodiscard]] bool has_callback() const noexcept { return static_cast<bool>(callback_); }

 private:
  void account(const TakenMessage& message) noexcept;
  void check_not_forked() const;
  [[nodiscard]] bool sleep(shm::Deadline deadline);
  [[nodiscard]] bool copy_and_release(const TakenMessage& message, std::span<std::byte> to);
  [[nodiscard]] std::optional<TakenMessage> take_if_allowed();
  [[nodiscard]] std::string too_many_held() const;
  void run_callback(const TakenMessage& message);
  void publish_statistics() noexcept;

  std::shared_ptr<Runtime> runtime_;
  TopicSpec spec_;
  Callback callback_;
  std::unique_ptr<EndpointPresence> presence_;
  std::unique_ptr<Reader> reader_;
  std::uint32_t fork_generation_;
  EndpointStatistics* statistics_;
  std::uint64_t received_ = 0;
  std::uint64_t bytes_ = 0;
  bool idle_before_ = true;
  bool told_of_holds_ = false;
  std::atomic<bool> closed_{false};
  std::atomic<const shm::SharedAtomic<std::uint32_t>*> sleeps_on_{nullptr};  ///< By take_for; as long as it sleeps.
  shm::UniqueFd ready_;                                                      ///< For pollable_fd.
  std::atomic<int> interruptible_fd_{-1};                                    ///< The same, for other threads.
  std::shared_ptr<ReadyWatch> watch_;                                        ///< Makes it readable.
  std::mutex dispatching_;                                                   ///< Held by the executor during a batch.
  std::atomic<std::thread::id> dispatcher_{};
};

/// A message that is given back when it goes out of scope.
class TakenGuard {
 public:
  TakenGuard() noexcept = default;
  TakenGuard(std::shared_ptr<SubscriptionCore> subscription, TakenMessage message) noexcept
      : subscription_(std::move(subscription)), message_(message) {}
  TakenGuard(TakenGuard&& other) noexcept = default;
  TakenGuard& operator=(TakenGuard&& other) noexcept {
    std::swap(subscription_, other.subscription_);
    std::swap(message_, other.message_);
    return *this;
  }
  ~TakenGuard() {
    if (subscription_) subscription_->release(message_);
  }
  [[nodiscard]] const TakenMessage& message() const noexcept { return message_; }
  [[nodiscard]] bool valid() const noexcept { return subscription_ && subscription_->reader().valid(message_); }

 private:
  std::shared_ptr<SubscriptionCore> subscription_;
  TakenMessage message_;
};

}  // namespace detail

namespace detail {

/// A message on its way to a callback: given back after the call unless the callback keeps it.
class Delivery {
 public:
  Delivery(SubscriptionCore& subscription, const TakenMessage& message) noexcept
      : subscription_(subscription), message_(message) {}
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;
  ~Delivery() {
    if (!kept_) subscription_.release(message_);
  }
  [[nodiscard]] const TakenMessage& message() const noexcept { return message_; }
  [[nodiscard]] bool kept() const noexcept { return kept_; }
  [[nodiscard]] TakenGuard keep() noexcept {
    kept_ = true;
    return {subscription_.shared_from_this(), message_};
  }

 private:
  SubscriptionCore& subscription_;
  const TakenMessage& message_;
  bool kept_ = false;
};

}  // namespace detail

/// A received T. On reliable topics it is the publisher's memory itself, and holding it holds publishers back when the
/// topic is full. Movable; use it in the thread that took it.
template <FixedMessage T>
class Message {
 public:
  /// No message, and not valid: to be assigned one.
  Message() noexcept = default;

  /// The message; good as long as this object and valid().
  [[nodiscard]] const T& operator*() const noexcept { return *reinterpret_cast<const T*>(guard_.message().data); }

  /// As operator*.
  [[nodiscard]] const T* operator->() const noexcept { return &**this; }

  /// Who sent it, when, and what was lost before it.
  [[nodiscard]] const MessageInfo& info() const noexcept { return guard_.message().info; }

  /// False once the subscription was evicted for holding publishers up: the memory may be somebody else's.
  [[nodiscard]] bool valid() const noexcept { return guard_.valid(); }

 private:
  template <FixedMessage U>
  friend class Subscription;
  explicit Message(detail::TakenGuard guard) noexcept : guard_(std::move(guard)) {}
  detail::TakenGuard guard_;
};

/// As Message, for variable sizes.
class BytesMessage {
 public:
  /// As Message's.
  BytesMessage() noexcept = default;

  /// The message; good as long as this object and valid().
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
    return {guard_.message().data, guard_.message().size};
  }

  /// Who sent it, when, and what was lost before it.
  [[nodiscard]] const MessageInfo& info() const noexcept { return guard_.message().info; }

  /// As Message::valid.
  [[nodiscard]] bool valid() const noexcept { return guard_.valid(); }

 private:
  friend class BytesSubscription;
  friend class Node;
  explicit BytesMessage(detail::TakenGuard guard) noexcept : guard_(std::move(guard)) {}
  detail::TakenGuard guard_;
};

/// What typed and untyped subscriptions share. Movable; the topic is left by the destructor, after which no callback
/// runs.
class SubscriptionBase {
 public:
  SubscriptionBase(SubscriptionBase&&) noexcept = default;
  SubscriptionBase& operator=(SubscriptionBase&& other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~SubscriptionBase() {
    if (core_) core_->close();
  }

  /// Fully qualified.
  [[nodiscard]] const std::string& topic() const noexcept { return core_->spec().name; }

  /// The books. Call it in the thread that takes, or in which the executor spins.
  [[nodiscard]] ReaderStats stats() const noexcept { return core_->reader().stats(); }

  /// Makes take_for, which another thread may be in, return at once, or within a second if it was just about to sleep.
  /// A descriptor that is polled becomes readable. No message or callback comes after that. Any thread.
  void interrupt() noexcept { core_->interrupt(); }

  /// Whether `interrupt` was called. Any thread.
  [[nodiscard]] bool interrupted() const noexcept { return core_->closed(); }

  /// Publishers that are connected now. Raw topics: 0, foreign ones cannot be counted.
  [[nodiscard]] std::uint32_t publisher_count() const { return core_->reader().writer_count(); }

  /// For programs with an event loop of their own: a descriptor to poll for reading. It becomes readable once for each
  /// call of arm_fd that returned true, when a message came, and now and then without one. The subscription's; never
  /// close it. In the thread that takes; not for subscriptions with a callback. Throws Error when there are no
  /// descriptors or threads left, or after a fork.
  [[nodiscard]] int pollable_fd() { return core_->pollable_fd(); }

  /// Take until nothing comes, then call this, and poll if it returns true. False: a message is there, take it.
  [[nodiscard]] bool arm_fd() { return core_->arm_fd(); }

  /// Blocks until `count` publishers are there; false after `timeout` or when the process was asked to end.
  [[nodiscard]] bool wait_for_publishers(std::uint32_t count, std::chrono::nanoseconds timeout) const {
    return core_->wait_for_publishers(count, timeout);
  }

  /// Calls `callback` in the thread that spins the node: first for each publisher that is there, then whenever one
  /// comes, becomes late or alive again, is lost or leaves. One callback; an empty one ends it. Any thread. Throws
  /// Error for an observer. Programs without Sluice are not among them (see Node::on_event).
  void on_liveliness(std::function<void(const LivelinessEvent&)> callback) {
    core_->on_liveliness(std::move(callback));
  }

  /// Calls `callback` in the thread that spins the node whenever nothing was received for as long as the topic's
  /// `deadline` allows, from the first message on. One callback; an empty one ends it. Any thread. Throws Error when
  /// the topic has no deadline, and for an observer.
  void on_deadline_missed(std::function<void(const DeadlineEvent&)> callback) {
    core_->on_deadline_missed(std::move(callback));
  }

 protected:
  explicit SubscriptionBase(std::shared_ptr<detail::SubscriptionCore> core) noexcept : core_(std::move(core)) {}
  std::shared_ptr<detail::SubscriptionCore> core_;
};

/// Receives messages of a fixed type. Made by Node::subscribe. take is for subscriptions without a callback.
template <FixedMessage T>
class Subscription : public SubscriptionBase {
 public:
  /// The next message, or nothing. Never blocks. Messages that are no T are dropped and logged.
  [[nodiscard]] std::optional<Message<T>> take() {
    return wrap([&] { return core_->take(); });
  }

  /// As take, but waits for a message for at most `timeout`.
  [[nodiscard]] std::optional<Message<T>> take_for(std::chrono::nanoseconds timeout) {
    return wrap([&] { return core_->take_for(timeout); });
  }

  /// Copies what is there, at most out.size() messages, oldest first, and gives it back at once; how many were copied.
  /// Cheaper for each than take. Never blocks. `infos`: what is known about each, for as many as it has room for.
  /// Leaves out messages that are no T, and what was overwritten before it was copied because the subscription was
  /// evicted; that is logged.
  [[nodiscard]] std::size_t take_batch(std::span<T> out, std::span<MessageInfo> infos = {}) {
    return core_->take_copies(std::as_writable_bytes(out), sizeof(T), infos);
  }

  /// As take_batch, but waits for the first message for at most `timeout`.
  [[nodiscard]] std::size_t take_batch_for(std::span<T> out, std::chrono::nanoseconds timeout,
                                           std::span<MessageInfo> infos = {}) {
    return core_->take_copies_for(std::as_writable_bytes(out), sizeof(T), infos, timeout);
  }

 private:
  friend class Node;
  using SubscriptionBase::SubscriptionBase;

  template <typename Take>
  std::optional<Message<T>> wrap(Take take) {
    while (auto taken = take()) {
      detail::TakenGuard guard(core_, *taken);
      if (taken->size == sizeof(T)) return Message<T>(std::move(guard));
    }
    return std::nullopt;
  }
};

/// Receives messages of any size. Made by Node::subscribe_bytes.
class BytesSubscription : public SubscriptionBase {
 public:
  /// The next message, or nothing. Never blocks.
  [[nodiscard]] std::optional<BytesMessage> take() { return wrap(core_->take()); }

  /// As take, but waits for a message for at most `timeout`.
  [[nodiscard]] std::optional<BytesMessage> take_for(std::chrono::nanoseconds timeout) {
    return wrap(core_->take_for(timeout));
  }

  /// Takes what is there, at most `most` messages and at most BytesBatch::kMost, without copying it. Never blocks.
  /// Cheaper for each than take. They go back together.
  [[nodiscard]] BytesBatch take_batch(std::size_t most = BytesBatch::kMost) {
    BytesBatch batch(core_);
    batch.taken(core_->take_batch(batch.room(most)));
    return batch;
  }

  /// As take_batch, but waits for the first message for at most `timeout`.
  [[nodiscard]] BytesBatch take_batch_for(std::chrono::nanoseconds timeout, std::size_t most = BytesBatch::kMost) {
    BytesBatch batch(core_);
    batch.taken(core_->take_batch_for(batch.room(most), timeout));
    return batch;
  }

 private:
  friend class Node;
  using SubscriptionBase::SubscriptionBase;

  std::optional<BytesMessage> wrap(const std::optional<TakenMessage>& taken) {
    if (!taken) return std::nullopt;
    return BytesMessage(detail::TakenGuard(core_, *taken));
  }
};

}  // namespace sluice
