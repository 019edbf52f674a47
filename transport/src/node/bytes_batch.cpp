#include <sluice/bytes_batch.hpp>

#include <algorithm>
#include <utility>

#include <sluice/subscription.hpp>

namespace sluice {

bool BytesBatch::View::valid() const noexcept { return subscription_->reader().valid(*message_); }

BytesBatch::BytesBatch(std::shared_ptr<detail::SubscriptionCore> subscription) noexcept
    : subscription_(std::move(subscription)) {}

BytesBatch::BytesBatch(BytesBatch&& other) noexcept
    : subscription_(std::move(other.subscription_)), size_(std::exchange(other.size_, 0)) {
  std::copy_n(other.messages_.begin(), size_, messages_.begin());
}

BytesBatch& BytesBatch::operator=(BytesBatch&& other) noexcept {
  if (this == &other) return *this;
  clear();
  subscription_ = std::move(other.subscription_);
  size_ = std::exchange(other.size_, 0);
  std::copy_n(other.messages_.begin(), size_, messages_.begin());
  return *this;
}

void BytesBatch::clear() noexcept {
  for (std::size_t at = 0; at < size_; ++at) subscription_->release(messages_[at]);
  size_ = 0;
}

std::span<TakenMessage> BytesBatch::room(std::size_t most) noexcept {
  return std::span(messages_).first(std::min(most, kMost));
}

}  // namespace sluice
