#include <sluice/publisher.hpp>

#include <algorithm>
#include <array>
#include <thread>

#include <sluice/executor.hpp>
#include <sluice/shm/file_lock.hpp>

#include "control/runtime.hpp"
#include "node/endpoint_presence.hpp"
#include "node/wait_for_peers.hpp"

namespace sluice::detail {

namespace {

/// Messages that are handed to the transport at once: what lies on the stack meanwhile is one kilobyte.
constexpr std::size_t kPublishSlice = 64;

}  // namespace

PublisherCore::PublisherCore(std::shared_ptr<Runtime> runtime, const TransportContext& context, TopicSpec spec,
                             const EndpointOwner& owner)
    : runtime_(std::move(runtime)),
      spec_(std::move(spec)),
      presence_(std::make_unique<EndpointPresence>(runtime_, EntryKind::publisher, owner, spec_)),
      writer_(presence_->open([&] { return runtime_->transports().get(spec_.transport).open_writer(spec_, context); })),
      fork_generation_(shm::fork_generation()),
      statistics_(&presence_->statistics()) {}

PublisherCore::~PublisherCore() { presence_->end(); }

void PublisherCore::on_deadline_missed(std::function<void(const DeadlineEvent&)> callback) {
  presence_->on_deadline_missed(std::move(callback));
}

void PublisherCore::check_not_forked() const {
  if (fork_generation_ == shm::fork_generation()) return;
  throw Error("topic '" + spec_.name +
              "': this publisher was opened before fork() and belongs to the parent process; "
              "open another one in the child");
}

PublishResult PublisherCore::publish(const LoanedBuffer& loan, std::size_t used) {
  check_not_forked();
  if (loan.data == nullptr) return loan.refused == PublishResult::ok ? PublishResult::too_large : loan.refused;
  return account(writer_->publish(loan, used, timestamp()), used);
}

PublishResult PublisherCore::publish_copy(std::span<const std::byte> payload) {
  check_not_forked();
  return account(writer_->publish_copy(payload, timestamp()), payload.size());
}

BatchResult PublisherCore::publish_batch(std::span<const std::span<const std::byte>> payloads) {
  check_not_forked();
  return send_batch(payloads, timestamp());
}

BatchResult PublisherCore::publish_batch(std::span<const std::byte> messages, std::size_t each) {
  check_not_forked();
  const std::int64_t now = timestamp();
  std::array<std::span<const std::byte>, kPublishSlice> slice;
  std::size_t left = each == 0 ? 0 : messages.size() / each;
  BatchResult batch;
  while (left > 0 && batch.result == PublishResult::ok) {
    const std::size_t size = std::min(left, kPublishSlice);
    for (std::size_t i = 0; i < size; ++i) slice[i] = messages.subspan(i * each, each);
    const BatchResult part = send_batch(std::span(slice).first(size), now);
    batch = {batch.sent + part.sent, part.result};
    messages = messages.subspan(size * each);
    left -= size;
  }
  return batch;
}

BatchResult PublisherCore::send_batch(std::span<const std::span<const std::byte>> payloads,
                                      std::int64_t published_ns) noexcept {
  const std::uint64_t uncertain_before = writer_->stats().uncertain;
  const BatchResult batch = writer_->publish_batch(payloads, published_ns);
  std::size_t counted = batch.sent;
  if (batch.result == PublishResult::uncertain) {
    // Several at once, where the transport gives a batch its positions together. They count as one does.
    const std::uint64_t uncertain = writer_->stats().uncertain - uncertain_before;
    counted += std::clamp<std::uint64_t>(uncertain, 1, payloads.size() - batch.sent);
  }
  std::uint64_t bytes = 0;
  for (const auto payload : payloads.first(counted)) bytes += payload.size();
  count(counted, bytes);
  if (batch.result == PublishResult::timeout) account(batch.result, 0);
  return batch;
}

PublishResult PublisherCore::account(PublishResult result, std::size_t bytes) noexcept {
  if (result == PublishResult::ok || result == PublishResult::uncertain) {
    count(1, bytes);
  } else if (result == PublishResult::timeout) {
    statistics_->timeouts.store_relaxed(statistics_->timeouts.load_relaxed() + 1);
  }
  return result;
}

void PublisherCore::count(std::uint64_t messages, std::uint64_t bytes) noexcept {
  // Only this thread writes these words, so a load and a store do instead of a locked addition.
  statistics_->messages.store_relaxed(statistics_->messages.load_relaxed() + messages);
  statistics_->bytes.store_relaxed(statistics_->bytes.load_relaxed() + bytes);
  presence_->count();
}

std::string PublisherCore::explain(PublishResult result, std::size_t bytes) const {
  return "topic '" + spec_.name + "': " + writer_->explain(result, bytes);
}

bool PublisherCore::wait_for_subscribers(std::uint32_t count, std::chrono::nanoseconds timeout) const {
  return wait_for_peers([&] { return writer_->reader_count() >= count; }, timeout);
}

}  // namespace sluice::detail
