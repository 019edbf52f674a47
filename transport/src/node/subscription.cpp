#include <sluice/subscription.hpp>

#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <sluice/executor.hpp>
#include <sluice/shm/doorbell.hpp>
#include <sluice/shm/file_lock.hpp>
#include <sluice/shm/service_thread.hpp>
#include <sluice/shm/sleep.hpp>

#include "control/runtime.hpp"
#include "node/endpoint_presence.hpp"
#include "node/ready_watch.hpp"
#include "node/wait_for_peers.hpp"

namespace sluice::detail {

namespace {

/// Under load one latency in this many is measured; after every pause the first one is.
constexpr std::uint64_t kLatencySample = 16;

/// Messages that are taken from the transport at once when they are copied: what lies on the stack meanwhile is a few
/// kilobytes, and publishers are not held up by more than that.
constexpr std::size_t kTakeSlice = 64;

std::unique_ptr<Reader> open_reader(Transport& transport, const TopicSpec& spec, const TransportContext& context,
                                    SubscriptionCore::Role role) {
  if (role == SubscriptionCore::Role::observer) return transport.open_observer(spec, context, Observed::messages);
  return transport.open_reader(spec, context);
}

}  // namespace

SubscriptionCore::SubscriptionCore(std::shared_ptr<Runtime> runtime, const TransportContext& context, TopicSpec spec,
                                   const EndpointOwner& owner, Callback callback, Role role)
    : runtime_(std::move(runtime)),
      spec_(std::move(spec)),
      callback_(std::move(callback)),
      presence_(std::make_unique<EndpointPresence>(
          runtime_, role == Role::observer ? EntryKind::observer : EntryKind::subscription, owner, spec_)),
      reader_(presence_->open(
          [&] { return open_reader(runtime_->transports().get(spec_.transport), spec_, context, role); })),
      fork_generation_(shm::fork_generation()),
      statistics_(&presence_->statistics()) {}

SubscriptionCore::~SubscriptionCore() {
  if (watch_ != nullptr && fork_generation_ == shm::fork_generation()) {
    watch_->forget(ready_.get());
  } else if (watch_ != nullptr) {
    new std::shared_ptr<ReadyWatch>(std::move(watch_));  // its thread is not in this process; it must not be joined
  }
  presence_->end();
}

void SubscriptionCore::on_liveliness(std::function<void(const LivelinessEvent&)> callback) {
  presence_->on_liveliness(std::move(callback));
}

void SubscriptionCore::on_deadline_missed(std::function<void(const DeadlineEvent&)> callback) {
  presence_->on_deadline_missed(std::move(callback));
}

int SubscriptionCore::pollable_fd() {
  check_not_forked();
  if (!ready_.valid()) {
    watch_ = shm::process_service<ReadyWatch>();
    if (watch_ == nullptr) throw Error("topic '" + spec_.name + "': no thread can be started that watches it");
    ready_ = shm::UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!ready_.valid()) throw SystemError("topic '" + spec_.name + "': there is no pollable descriptor", errno);
    interruptible_fd_.store(ready_.get(), std::memory_order_seq_cst);
  }
  return ready_.get();
}

bool SubscriptionCore::arm_fd() {
  const int fd = pollable_fd();
  eventfd_t rung = 0;
  ::eventfd_read(fd, &rung);
  const auto wait = arm();
  if (!wait) return false;
  watch_->watch(fd, *wait);
  return true;
}

void SubscriptionCore::account(const TakenMessage& message) noexcept {
  ++received_;
  bytes_ += message.size;
  statistics_->messages.store_relaxed(received_);
  statistics_->bytes.store_relaxed(bytes_);
  presence_->count();
  if (message.info.published_ns == 0 || (!idle_before_ && received_ % kLatencySample != 0)) return;
  idle_before_ = false;
  auto& count = statistics_->latency[LatencyHistogram::bucket(shm::monotonic_ns() - message.info.published_ns)];
  count.store_relaxed(count.load_relaxed() + 1);
}

void SubscriptionCore::publish_statistics() noexcept {
  const ReaderStats stats = reader_->stats();
  statistics_->lost.store_relaxed(stats.lost);
  statistics_->skipped.store_relaxed(stats.skipped);
  statistics_->queued.store_relaxed(stats.queued);
}

std::size_t SubscriptionCore::dispatch(std::size_t most) {
  const std::lock_guard lock(dispatching_);
  dispatcher_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  std::size_t count = 0;
  for (; count < most && !closed(); ++count) {
    const auto message = take_if_allowed();
    if (!message) break;
    run_callback(*message);
  }
  if (const bool full = reader_->holds_too_many(); std::exchange(told_of_holds_, full) != full && full) {
    runtime_->log().warn("{}", too_many_held());
  }
  if (count == most) publish_statistics();  // otherwise arm() is about to
  dispatcher_.store({}, std::memory_order_relaxed);
  return count;
}

void SubscriptionCore::run_callback(const TakenMessage& message) {
  Delivery delivery(*this, message);
  callback_(delivery);
  if (!delivery.kept() && !reader_->valid(message)) {
    runtime_->log().warn(
        "subscription to '{}' was evicted while its callback ran: it held publishers up for longer than "
        "evict_after, and what the callback read at its end may have been another message",
        spec_.name);
  }
}

void SubscriptionCore::check_not_forked() const {
  if (fork_generation_ == shm::fork_generation()) return;
  throw Error("topic '" + spec_.name +
              "': this subscription was opened before fork() and belongs to the parent process; "
              "open another one in the child");
}

void SubscriptionCore::release(const TakenMessage& message) noexcept {
  if (fork_generation_ == shm::fork_generation()) reader_->release(message);
}

std::optional<WaitFor> SubscriptionCore::arm() noexcept {
  publish_statistics();
  return reader_->arm();
}

std::string SubscriptionCore::too_many_held() const {
  return "topic '" + spec_.name +
         "': this subscription holds as many messages as it may (max_views); release some, or "
         "raise max_views in the topic's YAML";
}

std::optional<TakenMessage> SubscriptionCore::take_if_allowed() {
  check_not_forked();
  const auto message = reader_->take();
  if (message) {
    account(*message);
  } else {
    idle_before_ = true;
  }
  return message;
}

std::optional<TakenMessage> SubscriptionCore::take() {
  const auto message = take_if_allowed();
  if (!message && reader_->holds_too_many()) throw Error(too_many_held());
  return message;
}

std::size_t SubscriptionCore::take_batch(std::span<TakenMessage> out) {
  check_not_forked();
  const std::size_t count = reader_->take_batch(out);
  for (const TakenMessage& message : out.first(count)) account(message);
  if (count < out.size()) idle_before_ = true;
  if (count == 0 && !out.empty() && reader_->holds_too_many()) throw Error(too_many_held());
  return count;
}

std::optional<TakenMessage> SubscriptionCore::take_for(std::chrono::nanoseconds timeout) {
  const shm::Deadline deadline = shm::Deadline::after(timeout);
  do {
    if (const auto message = take()) return message;
  } while (sleep(deadline));
  return std::nullopt;
}

std::size_t SubscriptionCore::take_batch_for(std::span<TakenMessage> out, std::chrono::nanoseconds timeout) {
  const shm::Deadline deadline = shm::Deadline::after(timeout);
  if (out.empty()) return 0;
  do {
    if (const std::size_t count = take_batch(out); count > 0) return count;
  } while (sleep(deadline));
  return 0;
}

/// Until a message may be there. False: it is time to return without one.
bool SubscriptionCore::sleep(shm::Deadline deadline) {
  const auto wait = arm();
  if (deadline.passed() || closed() || signal_received() || shm::sleep_cancelled()) return false;
  if (!wait) return true;
  const shm::Deadline until = earlier(deadline, shm::Deadline::after(wait->at_most));
  if (wait->word != nullptr) {
    sleeps_on_.store(wait->word, std::memory_order_release);
    shm::futex_wait(*wait->word, wait->expected, until);
    sleeps_on_.store(nullptr, std::memory_order_release);
  } else {
    shm::sleep_for(std::chrono::nanoseconds{until.ns() - shm::monotonic_ns()});
  }
  return true;
}

std::size_t SubscriptionCore::take_copies(std::span<std::byte> out, std::size_t each, std::span<MessageInfo> infos) {
  std::array<TakenMessage, kTakeSlice> slice;
  const std::size_t most = out.size() / each;
  std::size_t count = 0;
  while (count < most) {
    const std::size_t wanted = std::min(kTakeSlice, most - count);
    const std::size_t taken = take_batch(std::span(slice).first(wanted));
    for (const TakenMessage& message : std::span(slice).first(taken)) {
      if (!copy_and_release(message, out.subspan(count * each, each))) continue;
      if (count < infos.size()) infos[count] = message.info;
      ++count;
    }
    if (taken < wanted && !reader_->holds_too_many()) break;
  }
  return count;
}

std::size_t SubscriptionCore::take_copies_for(std::span<std::byte> out, std::size_t each, std::span<MessageInfo> infos,
                                              std::chrono::nanoseconds timeout) {
  const shm::Deadline deadline = shm::Deadline::after(timeout);
  if (out.size() < each) return 0;
  do {
    if (const std::size_t count = take_copies(out, each, infos); count > 0) return count;
  } while (sleep(deadline));
  return 0;
}

/// Whether `to` has the message now.
bool SubscriptionCore::copy_and_release(const TakenMessage& message, std::span<std::byte> to) {
  const bool fits = message.size == to.size();
  if (fits) std::memcpy(to.data(), message.data, to.size());
  const bool valid = reader_->valid(message);  // after the copy: until then it may have been overwritten
  release(message);
  if (!valid) {
    runtime_->log().warn(
        "subscription to '{}' was evicted while it copied what it had taken: it held publishers up for longer than "
        "evict_after, and a message is left out",
        spec_.name);
  }
  return fits && valid;
}

void SubscriptionCore::close() noexcept {
  closed_.store(true, std::memory_order_release);
  if (dispatcher_.load(std::memory_order_relaxed) == std::this_thread::get_id()) return;  // from its own callback
  const std::lock_guard lock(dispatching_);
}

void SubscriptionCore::interrupt() noexcept {
  closed_.store(true, std::memory_order_release);
  // Whoever else sleeps on the topic looks once more and sleeps on.
  if (const auto* word = sleeps_on_.load(std::memory_order_acquire)) shm::futex_wake_all(*word);
  if (const int fd = interruptible_fd_.load(std::memory_order_seq_cst); fd >= 0) ::eventfd_write(fd, 1);
}

bool SubscriptionCore::wait_for_publishers(std::uint32_t count, std::chrono::nanoseconds timeout) const {
  return wait_for_peers([&] { return reader_->writer_count() >= count; }, timeout);
}

}  // namespace sluice::detail
