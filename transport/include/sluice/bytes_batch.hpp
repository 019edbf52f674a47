#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>

#include <sluice/export.hpp>
#include <sluice/transport.hpp>

namespace sluice {

namespace detail {

class SubscriptionCore;

}  // namespace detail

/// Messages that were taken together, oldest first, in the memory they arrived in. They go back when this object ends;
/// on reliable topics holding them holds publishers back when the topic is full. Movable; use it in the thread that
/// took it. Allocates nothing.
///
///     for (const auto message : subscription.take_batch()) use(message.bytes());
class SLUICE_EXPORT BytesBatch {
 public:
  /// More are not taken at once.
  static constexpr std::size_t kMost = 64;

  /// One of the messages; good as long as the batch has it.
  class View {
   public:
    /// The message; good as long as valid().
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {message_->data, message_->size}; }

    /// Who sent it, when, and what was lost before it.
    [[nodiscard]] const MessageInfo& info() const noexcept { return message_->info; }

    /// As Message::valid.
    [[nodiscard]] SLUICE_EXPORT bool valid() const noexcept;

   private:
    friend class BytesBatch;
    View(const detail::SubscriptionCore& subscription, const TakenMessage& message) noexcept
        : subscription_(&subscription), message_(&message) {}
    const detail::SubscriptionCore* subscription_;
    const TakenMessage* message_;
  };

  /// For loops over a range; oldest first.
  class Iterator {
   public:
    /// The message it stands at.
    [[nodiscard]] View operator*() const noexcept { return (*batch_)[at_]; }
    /// To the next one.
    Iterator& operator++() noexcept {
      ++at_;
      return *this;
    }
    /// Whether both stand at the same message of one batch.
    [[nodiscard]] bool operator==(const Iterator& other) const noexcept { return at_ == other.at_; }

   private:
    friend class BytesBatch;
    Iterator(const BytesBatch& batch, std::size_t at) noexcept : batch_(&batch), at_(at) {}
    const BytesBatch* batch_;
    std::size_t at_;
  };

  /// No messages.
  BytesBatch() noexcept = default;
  BytesBatch(BytesBatch&& other) noexcept;
  BytesBatch& operator=(BytesBatch&& other) noexcept;
  ~BytesBatch() { clear(); }

  /// How many there are.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Whether there is none.
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

  /// The message number `at`, from 0 to size() - 1.
  [[nodiscard]] View operator[](std::size_t at) const noexcept { return {*subscription_, messages_[at]}; }

  /// The oldest one.
  [[nodiscard]] Iterator begin() const noexcept { return {*this, 0}; }

  /// Behind the newest one.
  [[nodiscard]] Iterator end() const noexcept { return {*this, size_}; }

  /// Gives all of them back now.
  void clear() noexcept;

 private:
  friend class BytesSubscription;
  explicit BytesBatch(std::shared_ptr<detail::SubscriptionCore> subscription) noexcept;

  /// Room for `most` messages that SubscriptionCore takes, after which it says how many they are.
  [[nodiscard]] std::span<TakenMessage> room(std::size_t most) noexcept;
  void taken(std::size_t count) noexcept { size_ = count; }

  std::shared_ptr<detail::SubscriptionCore> subscription_;
  std::size_t size_ = 0;
  std::array<TakenMessage, kMost> messages_;
};

}  // namespace sluice
