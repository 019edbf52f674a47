#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include <sluice/loan_buffers.hpp>
#include <sluice/transport.hpp>

#include "slick/back_pressure.hpp"
#include "slick/entries.hpp"
#include "slick/topic_file.hpp"

namespace sluice::slick {

/// Publishes on a Sluice topic. Used by one thread at a time.
///
/// Who writes what: this class writes its own WriterEntry, the cells it was granted, `reserved` (CAS), `horizon`
/// (only upwards), `fence_epoch`, the doorbells; of others' entries only records (INTENT to FENCED), the state of dead
/// readers under their lock byte, and the state of stopped readers (active to evicted, CAS).
class TopicWriter final : public Writer {
 public:
  TopicWriter(const TopicSpec& spec, const TopicOptions& options, const TransportContext& context);
  ~TopicWriter() override;

  [[nodiscard]] LoanedBuffer loan(std::size_t bytes) noexcept override { return loans_.take(bytes); }
  PublishResult publish(const LoanedBuffer& loan, std::size_t used, std::int64_t published_ns) noexcept override;
  void discard(const LoanedBuffer& loan) noexcept override { loans_.give_back(loan); }
  PublishResult publish_copy(std::span<const std::byte> payload, std::int64_t published_ns) noexcept override;
  [[nodiscard]] std::uint32_t reader_count() const override { return count_live_readers(file_); }
  [[nodiscard]] WriterStats stats() const noexcept override;
  [[nodiscard]] PublisherId id() const noexcept override { return publisher_; }

 private:
  void claim_entry(const TopicSpec& spec);
  [[nodiscard]] std::optional<std::uint64_t> reserve() noexcept;
  [[nodiscard]] bool make_room() noexcept;
  void refresh_horizon() noexcept;
  void find_standing_fences() noexcept;
  [[nodiscard]] bool is_quarantined(std::uint64_t position) noexcept;
  PublishResult commit(std::uint64_t position, Cell& cell) noexcept;
  void prefetch_cell(std::uint64_t position) noexcept;
  void write_books() noexcept { slick::write_books(*entry_, books_); }

  TopicFile file_;
  TopicOptions options_;
  std::chrono::nanoseconds max_blocking_time_;
  BackPressure back_pressure_;
  LoanBuffers loans_;
  std::uint32_t index_ = 0;
  WriterEntry* entry_ = nullptr;
  std::uint32_t publisher_ = 0;
  std::uint64_t sequence_ = 0;
  std::uint64_t prefetch_distance_ = 0;

  std::uint64_t horizon_ = 0;      ///< As last loaded: it only grows, so an old value is merely cautious.
  std::uint64_t fence_epoch_ = 0;  ///< Up to which `fences_` is known.
  struct Fence {
    std::uint32_t entry;
    std::uint64_t position;
  };
  std::vector<Fence> fences_;  ///< FENCED records of owners that may still store. Capacity reserved at open.

  WriterStats books_;
};

}  // namespace sluice::slick
