#include <sluice/subscription.hpp>

#include <sluice/executor.hpp>
#include <sluice/shm/doorbell.hpp>

#include "control/runtime.hpp"
#include "node/wait_for_peers.hpp"

namespace sluice::detail {

namespace {

/// Under load one latency in this many is measured; after every pause the first one is.
constexpr std::uint64_t kLatencySample = 16;

}  // namespace

SubscriptionCore::SubscriptionCore(std::shared_ptr<Runtime> runtime, TopicSpec spec, std::size_t node_entry,
                                   Callback callback)
    : runtime_(std::move(runtime)),
      spec_(std::move(spec)),
      callback_(std::move(callback)),
      reader_(runtime_->transports().get(spec_.transport).open_reader(spec_, runtime_->context())),
      entry_(runtime_->record().add_endpoint(EntryKind::subscription, node_entry, spec_)),
      statistics_(&runtime_->record().statistics(entry_)) {}

SubscriptionCore::~SubscriptionCore() { runtime_->record().remove(entry_); }

void SubscriptionCore::account(const TakenMessage& message) noexcept {
  ++received_;
  bytes_ += message.size;
  statistics_->messages.store_relaxed(received_);
  statistics_->bytes.store_relaxed(bytes_);
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
    const auto message = take();
    if (!message) break;
    struct Release {
      ~Release() { reader.release(message); }
      Reader& reader;
      const TakenMessage& message;
    } release{*reader_, *message};
    callback_(*message);
  }
  dispatcher_.store({}, std::memory_order_relaxed);
  return count;
}

std::optional<WaitFor> SubscriptionCore::arm() noexcept {
  publish_statistics();
  return reader_->arm();
}

std::optional<TakenMessage> SubscriptionCore::take() noexcept {
  const auto message = reader_->take();
  if (message) {
    account(*message);
  } else {
    idle_before_ = true;
  }
  return message;
}

std::optional<TakenMessage> SubscriptionCore::take_for(std::chrono::nanoseconds timeout) noexcept {
  const shm::Deadline deadline = shm::Deadline::after(timeout);
  for (;;) {
    if (const auto message = take()) return message;
    const auto wait = arm();
    if (!wait) continue;
    if (deadline.passed() || signal_received()) return std::nullopt;
    const shm::Deadline until = earlier(deadline, shm::Deadline::after(wait->at_most));
    if (wait->word != nullptr) {
      shm::futex_wait(*wait->word, wait->expected, until);
    } else {
      std::this_thread::sleep_for(std::chrono::nanoseconds{until.ns() - shm::monotonic_ns()});
    }
  }
}

void SubscriptionCore::close() noexcept {
  closed_.store(true, std::memory_order_release);
  if (dispatcher_.load(std::memory_order_relaxed) == std::this_thread::get_id()) return;  // from its own callback
  const std::lock_guard lock(dispatching_);
}

bool SubscriptionCore::wait_for_publishers(std::uint32_t count, std::chrono::nanoseconds timeout) const {
  return wait_for_peers([&] { return reader_->writer_count() >= count; }, timeout);
}

}  // namespace sluice::detail
