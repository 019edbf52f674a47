#include "slick/raw_group_reader.hpp"

#include <sluice/shm/unvalidated_copy.hpp>

#include <algorithm>
#include <utility>

#include "slick/entries.hpp"

namespace sluice::slick {

namespace {

QueueOptions queue_options(const RawOptions& options) {
  QueueOptions queue;
  queue.hole_timeout = options.hole_timeout;
  return queue;
}

}  // namespace

RawGroupReader::RawGroupReader(const TopicSpec& spec, const RawOptions& options, const TransportContext& context)
    : segment_(open_segment(options.request)),
      companion_(spec, options, context, segment_),
      queue_(std::move(segment_), queue_options(options)),
      ring_(queue_.ring()),
      shared_(options.group, 0, options.request.access),
      cursor_(&shared_.get()),
      reader_place_(companion_.file(), spec.name),
      watch_([this] { return look() == Ring::Found::message; }, companion_.file().control().doorbell) {
  (void)reader_place_.join([this] { return ring_.reserved(); });
  books_.joined = std::min(place(), ring_.reserved());
  reader_place_.write_books(books_, books_.joined);
}

RawGroupReader::~RawGroupReader() {
  if (!companion_.file().lock().usable()) return;
  reader_place_.write_books(stats(), place());
  reader_place_.leave();
}

std::uint32_t RawGroupReader::writer_count() const { return count_live_writers(companion_.file()); }

Ring::Found RawGroupReader::look() const noexcept {
  Ring::Cursor probe{place()};
  Ring::Message message;
  return ring_.find(probe, message);
}

std::optional<TakenMessage> RawGroupReader::take() noexcept {
  std::byte* copy = nullptr;
  const auto message = queue_.read(*cursor_, [&](const Ring::Message& claimed) {
    const std::size_t bytes = std::size_t{claimed.size} * ring_.element_size();
    copy = copies_.prepare(bytes);
    if (copy != nullptr) shm::copy_unvalidated(copy, ring_.element(claimed.index), bytes);
  });
  if (!message) return std::nullopt;
  if (copy == nullptr) {  // no memory, and a claim cannot be given back
    lost_without_memory_ += message->size;
    return std::nullopt;
  }
  const std::size_t bytes = std::size_t{message->size} * ring_.element_size();
  books_.received += message->size;
  books_.bytes += bytes;
  const std::uint64_t lost = queue_.loss_count() + lost_without_memory_;
  return TakenMessage{
      copy, bytes, {message->index, 0, 0, lost - std::exchange(lost_reported_, lost)}, copies_.hand_out()};
}

std::optional<WaitFor> RawGroupReader::arm() noexcept {
  reader_place_.write_books(stats(), place());
  auto& doorbell = companion_.file().control().doorbell;
  const std::uint32_t value = doorbell.arm();
  const Ring::Found found = look();
  if (found == Ring::Found::message) return std::nullopt;
  // A dead Sluice producer's hole is repaired for everybody; others the queue steps over in time.
  if (found == Ring::Found::pending) (void)companion_.settle(ring_, place());
  const bool traffic = books_.received != std::exchange(armed_at_received_, books_.received);
  WaitFor wait{&doorbell.word(), value, watch_.arm(traffic)};
  if (found == Ring::Found::pending) wait.at_most = std::min<std::chrono::nanoseconds>(wait.at_most, shm::kRestPoll);
  return wait;
}

ReaderStats RawGroupReader::stats() const noexcept {
  ReaderStats stats = books_;
  stats.reserved = std::max(ring_.reserved(), place());
  stats.lost = queue_.loss_count() + lost_without_memory_;
  stats.skipped = queue_.skipped_count();
  stats.queued = stats.reserved - place();
  return stats;
}

}  // namespace sluice::slick
