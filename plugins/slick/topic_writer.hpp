#pragma once

#include <optional>
#include <vector>

#include <sluice/loan_buffers.hpp>
#include <sluice/shm/kill_point.hpp>
#include <sluice/transport.hpp>

#include "slick/back_pressure.hpp"
#include "slick/chunk_pool.hpp"
#include "slick/entries.hpp"
#include "slick/topic_file.hpp"

namespace sluice::slick {

/// Publishes on a Sluice topic. Used by one thread at a time.
///
/// Who writes what: this class writes its own WriterEntry, the cells it was granted, `reserved` (CAS), `horizon`
/// (only upwards), `fence_epoch`, the doorbells, the words of chunks (see ChunkPool); of others' entries only records
/// (INTENT to FENCED), the state of dead readers under their lock byte, and the state of stopped readers (active to
/// evicted, CAS).
class TopicWriter final : public Writer {
 public:
  TopicWriter(const TopicSpec& spec, const TopicOptions& options, const TransportContext& context);
  ~TopicWriter() override;

  [[nodiscard]] LoanedBuffer loan(std::size_t bytes) noexcept override;
  PublishResult publish(const LoanedBuffer& loan, std::size_t used, std::int64_t published_ns) noexcept override;
  void discard(const LoanedBuffer& loan) noexcept override;
  PublishResult publish_copy(std::span<const std::byte> payload, std::int64_t published_ns) noexcept override;
  BatchResult publish_batch(std::span<const std::span<const std::byte>> payloads,
                            std::int64_t published_ns) noexcept override;
  [[nodiscard]] std::string explain(PublishResult result, std::size_t bytes) const override;
  [[nodiscard]] std::uint32_t reader_count() const override { return count_live_readers(file_); }
  [[nodiscard]] WriterStats stats() const noexcept override { return books_; }
  [[nodiscard]] PublisherId id() const noexcept override { return publisher_; }

 private:
  /// Positions that are ours to publish. None: why not is in `refused`.
  struct Grant {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    PublishResult refused = PublishResult::ok;
  };

  void claim_entry(const TopicSpec& spec);
  [[nodiscard]] Grant reserve(std::uint64_t most) noexcept;
  [[nodiscard]] Grant reserve_slowly(std::uint64_t most) noexcept;
  [[nodiscard]] bool try_reserve(std::uint64_t& position, std::uint64_t count) noexcept;
  [[nodiscard]] bool leave_jump(std::uint64_t position, std::uint64_t jumps, shm::Deadline& give_up) noexcept;
  [[nodiscard]] Room make_room() noexcept;
  void refresh_horizon() noexcept;
  void find_standing_fences() noexcept;
  [[nodiscard]] bool is_quarantined(std::uint64_t position) noexcept;
  void write_header(Cell& cell, std::size_t length, std::int64_t published_ns) noexcept;
  PublishResult publish_inline(std::span<const std::byte> payload, std::int64_t published_ns) noexcept;
  [[nodiscard]] std::size_t publish_run(std::span<const std::span<const std::byte>> payloads, std::int64_t published_ns,
                                        PublishResult& result) noexcept;
  PublishResult publish_large_copy(std::span<const std::byte> payload, std::int64_t published_ns) noexcept;
  PublishResult publish_chunk(std::uint32_t chunk, std::size_t used, std::int64_t published_ns) noexcept;
  [[nodiscard]] ChunkPool::Chunk wait_for_chunk(std::size_t bytes, PublishResult& refused) noexcept;
  void stamp(std::uint64_t position, Cell& cell) noexcept;
  PublishResult commit(std::uint64_t first, std::uint64_t count) noexcept;
  PublishResult withdraw(std::uint64_t first, std::uint64_t count) noexcept;
  PublishResult refuse(PublishResult reason) noexcept;
  void account(std::uint64_t messages, std::uint64_t bytes) noexcept;
  void prefetch_cell(std::uint64_t position) noexcept;
  void write_books() noexcept { slick::write_books(*entry_, books_); }

  TopicFile file_;
  std::chrono::nanoseconds max_blocking_time_;
  BackPressure back_pressure_;
  LoanBuffers loans_;  ///< For messages that travel in their cell.
  std::uint32_t index_ = 0;
  WriterEntry* entry_ = nullptr;
  std::optional<ChunkPool> pool_;  ///< For the others; once the entry is claimed.
  std::uint32_t chunks_lent_ = 0;  ///< To our user.
  std::uint32_t publisher_ = 0;
  std::uint64_t sequence_ = 0;
  std::uint64_t prefetch_distance_ = 0;

  std::uint64_t horizon_ = 0;      ///< As last loaded: it only grows, so an old value is merely cautious.
  std::uint64_t open_until_ = 0;   ///< horizon_, and 0 while there are fences: below it a position is for the asking.
  std::uint64_t fence_epoch_ = 0;  ///< Up to which `fences_` is known.
  struct Fence {
    std::uint32_t entry;
    std::uint64_t record;
  };
  std::vector<Fence> fences_;  ///< FENCED records of owners that may still store. Capacity reserved at open.

  WriterStats books_;
};

// What every publication goes through is inline; the rest of it is in topic_grant.cpp.

/// Positions from `position` on, which is below the horizon. False: others had it first, and `position` is where
/// `reserved` is now.
inline bool TopicWriter::try_reserve(std::uint64_t& position, std::uint64_t count) noexcept {
  // SYNC intent→grant: the record is stored before the CAS that grants (its release half), so whoever sees `reserved`
  // above a position sees its owner's INTENT. Dying here quarantines at worst positions nobody has.
  entry_->record.store_release(record_intent(position, count));
  SLUICE_KILL_POINT("slick.reserve.intent");
  if (!file_.control().reserved.compare_exchange_acq_rel(position, position + count)) return false;
  SLUICE_KILL_POINT("slick.reserve.granted");
  // SYNC horizon→data: with this fence every store into the cells comes after our load of the horizon, so a reader
  // that saw any of them, then fenced and looked at the horizon, finds it beyond the cell's previous lap.
  shm::fence_release();
  return true;
}

inline TopicWriter::Grant TopicWriter::reserve(std::uint64_t most) noexcept {
  std::uint64_t position = file_.control().reserved.load_relaxed();
  if (position + most <= open_until_ && try_reserve(position, most)) [[likely]] {
    return {position, most, PublishResult::ok};
  }
  return reserve_slowly(most);
}

}  // namespace sluice::slick
