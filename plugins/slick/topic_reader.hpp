#pragma once

#include <sluice/copy_buffers.hpp>
#include <sluice/transport.hpp>

#include "slick/coarse_tick.hpp"
#include "slick/hole_watch.hpp"
#include "slick/reader_holds.hpp"
#include "slick/reader_place.hpp"
#include "slick/released_positions.hpp"
#include "slick/topic_file.hpp"

namespace sluice::slick {

/// Subscribes to a Sluice topic. Used by one thread at a time; `release` and `valid` by any.
///
/// Who writes what: this class writes its own ReaderEntry and holds, the doorbells, and, when it finds a hole, the
/// hole's stamp (forwards only) and its owner's record (INTENT to FENCED). It never writes payloads, `reserved` or
/// `horizon`.
///
/// In chunks (longer than inline_limit): read in place; a hold keeps publishers away until release.
/// Inline, reliable: read in place; the cursor keeps publishers away until release.
/// Inline, best_effort: copied out and then checked against the horizon; nobody waits for this reader.
class TopicReader final : public Reader {
 public:
  TopicReader(const TopicSpec& spec, const TopicOptions& options, const TransportContext& context);
  ~TopicReader() override;

  [[nodiscard]] std::optional<TakenMessage> take() noexcept override;
  [[nodiscard]] std::size_t take_batch(std::span<TakenMessage> out) noexcept override;
  [[nodiscard]] bool holds_too_many() const noexcept override { return waits_for_release_; }
  void release(const TakenMessage& message) noexcept override;
  [[nodiscard]] bool valid(const TakenMessage& message) const noexcept override;
  [[nodiscard]] std::optional<WaitFor> arm() noexcept override;
  [[nodiscard]] std::uint32_t writer_count() const override;
  [[nodiscard]] ReaderStats stats() const noexcept override;

 private:
  /// What came of a look at a published message.
  enum class Look {
    taken,   ///< It is the caller's.
    passed,  ///< It was none, or is gone: look at next_ again.
    stays,   ///< There is no memory or no hold for it.
  };

  void join(std::uint64_t history) noexcept;
  void rejoin_after_eviction() noexcept;
  [[nodiscard]] bool take_into(TakenMessage& message) noexcept;
  [[nodiscard]] Look take_reliable(const Cell& cell, TakenMessage& message) noexcept;
  [[nodiscard]] Look take_best_effort(const Cell& cell, TakenMessage& message) noexcept;
  [[nodiscard]] Look take_chunk(const Cell& header, ChunkReference reference, TakenMessage& message) noexcept;
  void deliver(TakenMessage& message, const std::byte* data, const Cell& header, std::uint64_t handle) noexcept;
  void look_ahead() noexcept;
  void prefetch_cell(std::uint64_t position) const noexcept;
  void skip() noexcept;
  [[nodiscard]] bool fall_behind() noexcept;
  void give_back(std::uint64_t position) noexcept;
  void settle() noexcept;
  [[nodiscard]] bool look_for_trouble() noexcept;
  void write_books() noexcept { place_.write_books(books_, next_); }

  TopicFile file_;
  TopicOptions options_;
  ReaderPlace place_;
  ReaderHolds holds_;
  HoleWatch holes_;

  std::uint64_t next_ = 0;         ///< The position to take next.
  ReleasedPositions released_;     ///< reliable: of those taken.
  std::uint64_t cursor_mask_ = 0;  ///< Publishers learn of what was given back at positions that end in these bits.

  std::uint64_t look_ahead_ = 1;    ///< How many positions.
  std::uint64_t look_again_ = 0;    ///< At this position,
  std::uint64_t filled_until_ = 0;  ///< having found everything below this one published.

  std::uint64_t lost_before_next_ = 0;  ///< For MessageInfo::lost.
  CoarseTick tick_;                     ///< Between looks for trouble.
  bool waits_for_release_ = false;      ///< A message is there, and every hold is used.

  CopyBuffers copies_;  ///< best_effort: of messages handed out.
  ReaderStats books_;
};

}  // namespace sluice::slick
