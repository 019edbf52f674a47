#include "inproc/channel.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <new>
#include <utility>

namespace sluice::inproc {

Message* MessagePool::acquire() noexcept {
  for (std::size_t i = 0; i < messages_.size(); ++i) {
    Message& message = *messages_[next_];
    next_ = next_ + 1 == messages_.size() ? 0 : next_ + 1;
    // SYNC release→reuse: see Message::drop.
    if (!message.loaned && message.references.load(std::memory_order_acquire) == 0) {
      message.loaned = true;
      return &message;
    }
  }
  try {
    messages_.push_back(std::make_unique<Message>(message_size_));
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
  messages_.back()->loaned = true;
  return messages_.back().get();
}

Inbox::Inbox(std::size_t capacity, std::uint64_t joined) : joined_(joined), slots_(capacity) {}

Inbox::~Inbox() {
  while (Message* message = pop()) message->drop();
}

bool Inbox::full() noexcept {
  const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
  if (tail - known_head_ < slots_.size()) return false;  // the reader's line is left alone until it has to be looked at
  known_head_ = head_.load(std::memory_order_seq_cst);
  return tail - known_head_ == slots_.size();
}

bool Inbox::empty() const noexcept {
  return tail_.load(std::memory_order_seq_cst) == head_.load(std::memory_order_relaxed);
}

void Inbox::push(Message& message) noexcept {
  const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
  message.references.fetch_add(1, std::memory_order_relaxed);
  slots_[tail % slots_.size()].store(&message, std::memory_order_relaxed);
  // SYNC push→pop. seq_cst: also the barrier before the look at the doorbell.
  tail_.store(tail + 1, std::memory_order_seq_cst);
}

Message* Inbox::pop(std::uint64_t& known_tail) noexcept {
  std::uint64_t head = head_.load(std::memory_order_relaxed);
  for (;;) {
    if (head >= known_tail) known_tail = tail_.load(std::memory_order_acquire);
    if (head == known_tail) return nullptr;
    // May be of a later lap if somebody else popped meanwhile; then the CAS fails and the value is not used.
    Message* message = slots_[head % slots_.size()].load(std::memory_order_relaxed);
    // seq_cst: also the barrier before the look at the space doorbell.
    if (head_.compare_exchange_weak(head, head + 1, std::memory_order_seq_cst, std::memory_order_relaxed)) {
      return message;
    }
  }
}

void Inbox::drop_oldest() noexcept {
  std::uint64_t tail = 0;  // not the reader's: two threads, two memories
  if (Message* message = pop(tail)) {
    message->drop();
    lost_.fetch_add(1, std::memory_order_release);  // SYNC drop→reserve
  }
}

Channel::Channel(const TopicSpec& spec) : spec_(spec) {}

namespace {

void require_equal(const TopicSpec& spec, const std::string& key, const std::string& ours, const std::string& theirs) {
  if (ours == theirs) return;
  throw ConfigError(spec.origin(key), "topic '" + spec.name + "': " + key + " is '" + ours +
                                          "' here, but the topic was opened with '" + theirs +
                                          "' in this process; give both the same configuration");
}

void check_agreement(const TopicSpec& spec, const TopicSpec& opened) {
  if (!spec.type.name.empty() && !opened.type.name.empty()) {
    require_equal(spec, "type", spec.type.name, opened.type.name);
  }
  if (spec.type.fixed_size != 0 && opened.type.fixed_size != 0) {
    require_equal(spec, "size of the type", std::to_string(spec.type.fixed_size),
                  std::to_string(opened.type.fixed_size));
  }
  const auto reliability = [](const TopicSpec& s) {
    return std::string(s.qos.reliability == Reliability::reliable ? "reliable" : "best_effort");
  };
  if (spec.origins.count("reliability") != 0) {
    require_equal(spec, "reliability", reliability(spec), reliability(opened));
  }
  if (spec.origins.count("max_size") != 0 || spec.type.fixed_size > opened.max_size) {
    require_equal(spec, "max_size", std::to_string(spec.max_size), std::to_string(opened.max_size));
  }
  if (spec.origins.count("depth") != 0) {
    require_equal(spec, "depth", std::to_string(spec.qos.depth), std::to_string(opened.qos.depth));
  }
}

}  // namespace

std::shared_ptr<Channel> Channel::open(const TopicSpec& spec, const std::string& domain_directory) {
  static std::mutex mutex;
  static std::map<std::pair<std::string, std::string>, std::weak_ptr<Channel>> channels;
  const std::lock_guard lock(mutex);
  std::weak_ptr<Channel>& entry = channels[{domain_directory, spec.name}];
  if (auto channel = entry.lock()) {
    check_agreement(spec, channel->spec());
    return channel;
  }
  auto channel = std::make_shared<Channel>(spec);
  entry = channel;
  return channel;
}

std::shared_ptr<Inbox> Channel::add_reader() {
  const std::lock_guard lock(mutex_);
  inboxes_.push_back(std::make_shared<Inbox>(std::bit_ceil(spec_.qos.depth), reserved()));
  return inboxes_.back();
}

void Channel::remove_reader(const std::shared_ptr<Inbox>& inbox) {
  {
    const std::lock_guard lock(mutex_);
    inboxes_.erase(std::remove(inboxes_.begin(), inboxes_.end(), inbox), inboxes_.end());
  }
  if (space_.waiting()) space_.ring();
}

std::shared_ptr<MessagePool> Channel::add_writer(std::uint64_t& publisher) {
  const std::lock_guard lock(mutex_);
  publisher = ++next_publisher_;
  if (retired_pools_.empty()) retired_pools_.push_back(std::make_shared<MessagePool>(spec_.max_size));
  pools_in_use_.push_back(retired_pools_.back());
  retired_pools_.pop_back();
  return pools_in_use_.back();
}

void Channel::remove_writer(std::shared_ptr<MessagePool> pool) {
  const std::lock_guard lock(mutex_);
  pools_in_use_.erase(std::remove(pools_in_use_.begin(), pools_in_use_.end(), pool), pools_in_use_.end());
  retired_pools_.push_back(std::move(pool));
}

bool Channel::try_publish(Message& message) noexcept {
  const std::lock_guard lock(mutex_);
  for (const auto& inbox : inboxes_) {
    if (!inbox->full()) continue;
    if (reliable()) return false;
    inbox->drop_oldest();
  }
  message.position = reserved_.fetch_add(1, std::memory_order_acq_rel);
  for (const auto& inbox : inboxes_) inbox->push(message);
  return true;
}

bool Channel::publish(Message& message, std::chrono::nanoseconds max_blocking_time) noexcept {
  bool sent = try_publish(message);
  if (!sent) {
    const shm::Deadline deadline = shm::Deadline::after(max_blocking_time);
    for (;;) {
      // SYNC space: as in shm::Doorbell; readers pop with a seq_cst CAS and then look at the bit.
      const std::uint32_t value = space_.arm();
      sent = try_publish(message);
      if (sent || deadline.passed()) break;
      space_.sleep(value, earlier(deadline, shm::Deadline::after(shm::kLongestSleep)));
    }
  }
  if (sent && doorbell_.waiting()) doorbell_.ring();
  return sent;
}

std::uint32_t Channel::reader_count() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::uint32_t>(inboxes_.size());
}

std::uint32_t Channel::writer_count() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::uint32_t>(pools_in_use_.size());
}

}  // namespace sluice::inproc
