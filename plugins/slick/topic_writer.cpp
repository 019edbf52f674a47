#include "slick/topic_writer.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include <sluice/shm/kill_point.hpp>
#include <sluice/shm/process_identity.hpp>
#include <sluice/units.hpp>

#include "slick/books.hpp"

namespace sluice::slick {

namespace {

/// Handles of loans that are chunks are the chunk's number, marked.
constexpr std::uint64_t kChunkLoan = std::uint64_t{1} << 63U;

void copy_payload(std::byte* to, std::span<const std::byte> from) noexcept {
  const std::size_t half = shm::kKillPoints ? from.size() / 2 : 0;
  if (half > 0) std::memcpy(to, from.data(), half);
  SLUICE_KILL_POINT("slick.publish.half");
  if (!from.empty()) std::memcpy(to + half, from.data() + half, from.size() - half);
  SLUICE_KILL_POINT("slick.publish.copied");
}

}  // namespace

TopicWriter::TopicWriter(const TopicSpec& spec, const TopicOptions& options, const TransportContext& context)
    : file_(TopicFile::open(spec, options, context)),
      max_blocking_time_(spec.qos.max_blocking_time),
      back_pressure_(file_, options.evict_after, max_blocking_time_,
                     [this] { return file_.control().reserved.load_acquire(); }),
      loans_(file_.geometry().inline_limit) {
  // Some cells ahead, for a reader polls the very next one; never so far that it is the cell just published.
  prefetch_distance_ = std::min<std::uint64_t>(6, file_.geometry().capacity / 4);
  fences_.reserve(file_.geometry().max_writers);
  claim_entry(spec);
}

void TopicWriter::claim_entry(const TopicSpec& spec) {
  index_ = claim_writer_entry(file_, spec.name);
  entry_ = &file_.writer(index_);
  // A dead predecessor's INTENT or FENCED goes: it will never store again, and readers repair its hole without it.
  entry_->record.store_release(kRecordIdle);
  SLUICE_KILL_POINT("slick.writer.record_cleared");
  take_back_loans(file_, index_);
  SLUICE_KILL_POINT("slick.writer.loans_back");
  pool_.emplace(file_, index_);
  publisher_ = next_publisher_id(file_);
  SLUICE_KILL_POINT("slick.writer.identity_taken");
  const auto self = shm::ProcessIdentity::self();
  entry_->publisher.store_relaxed(publisher_);
  entry_->pid.store_relaxed(static_cast<std::uint32_t>(self.pid));
  entry_->start_time.store_relaxed(self.start_time);
  write_books();
  SLUICE_KILL_POINT("slick.writer.described");
  entry_->state.store_release(static_cast<std::uint32_t>(EntryState::active));
  SLUICE_KILL_POINT("slick.writer.active");
}

TopicWriter::~TopicWriter() {
  if (!file_.lock().usable()) return;
  write_books();
  SLUICE_KILL_POINT("slick.writer.leaving");
  entry_->record.store_release(kRecordIdle);
  SLUICE_KILL_POINT("slick.writer.left_idle");
  entry_->state.store_release(static_cast<std::uint32_t>(EntryState::free));
  SLUICE_KILL_POINT("slick.writer.freed");
}

// The steps of a publication come before the functions that are made of them, so that they become part of these.

inline void TopicWriter::write_header(Cell& cell, std::size_t length, std::int64_t published_ns) noexcept {
  cell.sequence = sequence_++;
  cell.published_ns = published_ns;
  cell.publisher = publisher_;
  cell.length = static_cast<std::uint32_t>(length);
  SLUICE_KILL_POINT("slick.publish.header");
}

inline void TopicWriter::stamp(std::uint64_t position, Cell& cell) noexcept {
  // SYNC publish→take: release; the reader's acquire load of the stamp sees the whole message.
  cell.stamp.store_release(stamp_message(position));
  SLUICE_KILL_POINT("slick.commit.stamped");
}

inline PublishResult TopicWriter::commit(std::uint64_t first, std::uint64_t count) noexcept {
  // Also the full barrier between the publication and the look at the doorbell.
  std::uint64_t record = record_intent(first, count);
  PublishResult result = PublishResult::ok;
  if (!entry_->record.compare_exchange_seq_cst(record, kRecordIdle)) [[unlikely]]
    result = withdraw(first, count);
  SLUICE_KILL_POINT("slick.commit.idle");
  if (file_.control().doorbell.waiting()) [[unlikely]]
    file_.control().doorbell.ring();
  return result;
}

inline void TopicWriter::account(std::uint64_t messages, std::uint64_t bytes) noexcept {
  const std::uint64_t before = books_.published;
  books_.published += messages;
  books_.bytes += bytes;
  if (before / kBooksPeriod != books_.published / kBooksPeriod) write_books();
}

/// Readers have the lines of the cells to come. Asked for now, their transfer overlaps with the caller's work; asked
/// for by the stores, the next locked instruction waits for it.
inline void TopicWriter::prefetch_cell(std::uint64_t position) noexcept {
  const auto* line = reinterpret_cast<const std::byte*>(&file_.cell(position));
  shm::prefetch_for_writing(line);
  shm::prefetch_for_writing(line + shm::kCacheLine);
}

LoanedBuffer TopicWriter::loan(std::size_t bytes) noexcept {
  if (bytes <= file_.geometry().inline_limit) return loans_.take(bytes);
  LoanedBuffer loan;
  if (bytes > file_.geometry().max_payload) {
    loan.refused = PublishResult::too_large;
    return loan;
  }
  ChunkPool::Chunk chunk;
  if (chunks_lent_ < file_.geometry().max_loans) chunk = pool_->take(bytes);
  if (!chunk) {
    loan.refused = PublishResult::out_of_chunks;
    return loan;
  }
  ++chunks_lent_;
  return {chunk.memory.data(), std::min<std::size_t>(chunk.memory.size(), file_.geometry().max_payload),
          kChunkLoan | chunk.number};
}

void TopicWriter::discard(const LoanedBuffer& loan) noexcept {
  if ((loan.handle & kChunkLoan) == 0) return loans_.give_back(loan);
  pool_->give_back(static_cast<std::uint32_t>(loan.handle));
  --chunks_lent_;
}

inline PublishResult TopicWriter::publish_inline(std::span<const std::byte> payload,
                                                 std::int64_t published_ns) noexcept {
  const Grant grant = reserve(1);
  if (grant.count == 0) return refuse(grant.refused);
  Cell& cell = file_.cell(grant.first);
  write_header(cell, payload.size(), published_ns);
  copy_payload(TopicFile::payload(cell), payload);
  stamp(grant.first, cell);
  const PublishResult result = commit(grant.first, grant.count);
  prefetch_cell(grant.first + prefetch_distance_);
  account(1, payload.size());
  return result;
}

PublishResult TopicWriter::publish(const LoanedBuffer& loan, std::size_t used, std::int64_t published_ns) noexcept {
  if ((loan.handle & kChunkLoan) == 0 || used <= file_.geometry().inline_limit || used > loan.size) {
    const PublishResult result =
        used > loan.size ? PublishResult::too_large : publish_copy({loan.data, used}, published_ns);
    discard(loan);
    return result;
  }
  --chunks_lent_;
  return publish_chunk(static_cast<std::uint32_t>(loan.handle), used, published_ns);
}

PublishResult TopicWriter::publish_copy(std::span<const std::byte> payload, std::int64_t published_ns) noexcept {
  if (payload.size() <= file_.geometry().inline_limit) [[likely]]
    return publish_inline(payload, published_ns);
  return publish_large_copy(payload, published_ns);
}

/// As many messages from the front of `payloads` as get positions in one go; all of them travel in their cells.
std::size_t TopicWriter::publish_run(std::span<const std::span<const std::byte>> payloads, std::int64_t published_ns,
                                     PublishResult& result) noexcept {
  const Grant grant = reserve(std::min<std::uint64_t>(payloads.size(), kMostInRecord));
  if (grant.count == 0) {
    result = refuse(grant.refused);
    return 0;
  }
  std::uint64_t bytes = 0;
  for (std::uint64_t i = 0; i < grant.count; ++i) {
    const std::uint64_t position = grant.first + i;
    Cell& cell = file_.cell(position);
    write_header(cell, payloads[i].size(), published_ns);
    copy_payload(TopicFile::payload(cell), payloads[i]);
    stamp(position, cell);
    prefetch_cell(position + prefetch_distance_);
    bytes += payloads[i].size();
  }
  result = commit(grant.first, grant.count);
  account(grant.count, bytes);
  return grant.count;
}

BatchResult TopicWriter::publish_batch(std::span<const std::span<const std::byte>> payloads,
                                       std::int64_t published_ns) noexcept {
  const auto is_inline = [&](std::span<const std::byte> payload) {
    return payload.size() <= file_.geometry().inline_limit;
  };
  BatchResult batch;
  while (batch.sent < payloads.size() && batch.result == PublishResult::ok) {
    const auto rest = payloads.subspan(batch.sent);
    const auto run = static_cast<std::size_t>(std::find_if_not(rest.begin(), rest.end(), is_inline) - rest.begin());
    std::size_t sent = 1;
    if (run == 0) {
      batch.result = publish_copy(rest.front(), published_ns);
    } else {
      sent = publish_run(rest.first(run), published_ns, batch.result);
    }
    if (batch.result == PublishResult::ok) batch.sent += sent;
  }
  return batch;
}

PublishResult TopicWriter::publish_large_copy(std::span<const std::byte> payload, std::int64_t published_ns) noexcept {
  if (payload.size() > file_.geometry().max_payload) return PublishResult::too_large;
  PublishResult refused = PublishResult::out_of_chunks;
  ChunkPool::Chunk chunk;
  if (chunks_lent_ < file_.geometry().max_loans) chunk = wait_for_chunk(payload.size(), refused);
  if (!chunk) return refuse(refused);
  copy_payload(chunk.memory.data(), payload);
  return publish_chunk(chunk.number, payload.size(), published_ns);
}

/// best_effort: one that is free now. reliable: it waits for the readers as for a free cell.
ChunkPool::Chunk TopicWriter::wait_for_chunk(std::size_t bytes, PublishResult& refused) noexcept {
  ChunkPool::Chunk chunk = pool_->take(bytes);
  if (chunk || !file_.reliable()) return chunk;
  const Room room = back_pressure_.wait([&] {
    chunk = pool_->take(bytes);
    return static_cast<bool>(chunk);
  });
  if (room == Room::own) refused = PublishResult::own_subscription_full;
  back_pressure_.moved();
  return chunk;
}

/// The chunk is ours and filled. Sent or not, it is not ours afterwards.
PublishResult TopicWriter::publish_chunk(std::uint32_t chunk, std::size_t used, std::int64_t published_ns) noexcept {
  SLUICE_KILL_POINT("slick.chunk.filled");
  const Grant grant = reserve(1);
  if (grant.count == 0) {
    pool_->give_back(chunk);
    return refuse(grant.refused);
  }
  Cell& cell = file_.cell(grant.first);
  write_header(cell, used, published_ns);
  const ChunkReference reference{chunk, 0};
  std::memcpy(TopicFile::payload(cell), &reference, sizeof(reference));
  // Before the stamp: once somebody can read the reference, our death must not give the chunk back.
  pool_->publish(chunk, grant.first);
  SLUICE_KILL_POINT("slick.chunk.published");
  stamp(grant.first, cell);
  const PublishResult result = commit(grant.first, grant.count);
  prefetch_cell(grant.first + prefetch_distance_);
  account(1, used);
  return result;
}

PublishResult TopicWriter::refuse(PublishResult reason) noexcept {
  if (reason == PublishResult::timeout) ++books_.timeouts;
  write_books();
  return reason;
}

/// The record is FENCED: somebody declared a position of ours a hole while we were stopped. Some readers may have
/// passed it, others may have taken the message. Makes them all holes for the rest, and lifts the quarantine.
[[gnu::cold]] PublishResult TopicWriter::withdraw(std::uint64_t first, std::uint64_t count) noexcept {
  SLUICE_KILL_POINT("slick.commit.fenced");
  for (std::uint64_t position = first; position < first + count; ++position) {
    std::uint64_t stamp = stamp_message(position);
    file_.cell(position).stamp.compare_exchange_seq_cst(stamp, stamp_jump(position));
  }
  SLUICE_KILL_POINT("slick.commit.withdrawn");
  entry_->record.store_release(kRecordIdle);
  books_.uncertain += count;
  return PublishResult::uncertain;
}

std::string TopicWriter::explain(PublishResult result, std::size_t bytes) const {
  const TopicGeometry& geometry = file_.geometry();
  if (result == PublishResult::too_large && bytes <= geometry.max_payload) {
    return "a message of " + std::to_string(bytes) +
           " bytes is longer than the loan it was written into; ask for as much";
  }
  if (result == PublishResult::too_large) {
    return "a message of " + std::to_string(bytes) + " bytes is longer than max_size, " +
           std::to_string(geometry.max_payload) + " bytes; raise it in the topic's YAML";
  }
  if (result != PublishResult::out_of_chunks || bytes <= geometry.inline_limit) return Writer::explain(result, bytes);
  if (chunks_lent_ >= geometry.max_loans) {
    return "this publisher holds " + std::to_string(chunks_lent_) +
           " loans, as many as it may (max_loans); publish or drop one, or raise max_loans";
  }
  return pool_->describe(bytes);
}

}  // namespace sluice::slick
