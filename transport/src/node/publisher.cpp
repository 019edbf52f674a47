#include <sluice/publisher.hpp>

#include <thread>

#include <sluice/executor.hpp>
#include <sluice/shm/file_lock.hpp>

#include "control/runtime.hpp"
#include "node/wait_for_peers.hpp"

namespace sluice::detail {

PublisherCore::PublisherCore(std::shared_ptr<Runtime> runtime, const TransportContext& context, TopicSpec spec,
                             std::size_t node_entry)
    : runtime_(std::move(runtime)),
      spec_(std::move(spec)),
      writer_(runtime_->transports().get(spec_.transport).open_writer(spec_, context)),
      fork_generation_(shm::fork_generation()),
      entry_(runtime_->record().add_endpoint(EntryKind::publisher, node_entry, spec_)),
      statistics_(&runtime_->record().statistics(entry_)) {}

PublisherCore::~PublisherCore() {
  if (fork_generation_ == shm::fork_generation()) runtime_->record().remove(entry_);
}

void PublisherCore::check_not_forked() const {
  if (fork_generation_ == shm::fork_generation()) return;
  throw Error("topic '" + spec_.name +
              "': this publisher was opened before fork() and belongs to the parent process; "
              "open another one in the child");
}

PublishResult PublisherCore::publish(const LoanedBuffer& loan, std::size_t used) {
  check_not_forked();
  if (loan.data == nullptr) return PublishResult::too_large;
  return account(writer_->publish(loan, used, timestamp()), used);
}

PublishResult PublisherCore::publish_copy(std::span<const std::byte> payload) {
  check_not_forked();
  return account(writer_->publish_copy(payload, timestamp()), payload.size());
}

PublishResult PublisherCore::account(PublishResult result, std::size_t bytes) noexcept {
  // Only this thread writes these words, so a load and a store do instead of a locked addition.
  if (result == PublishResult::ok || result == PublishResult::uncertain) {
    statistics_->messages.store_relaxed(statistics_->messages.load_relaxed() + 1);
    statistics_->bytes.store_relaxed(statistics_->bytes.load_relaxed() + bytes);
  } else if (result == PublishResult::timeout) {
    statistics_->timeouts.store_relaxed(statistics_->timeouts.load_relaxed() + 1);
  }
  return result;
}

bool PublisherCore::wait_for_subscribers(std::uint32_t count, std::chrono::nanoseconds timeout) const {
  return wait_for_peers([&] { return writer_->reader_count() >= count; }, timeout);
}

}  // namespace sluice::detail
