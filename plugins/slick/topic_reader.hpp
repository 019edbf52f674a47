#pragma once

#include <vector>

#include <sluice/copy_buffers.hpp>
#include <sluice/transport.hpp>

#include "slick/reader_place.hpp"
#include "slick/topic_file.hpp"

namespace sluice::slick {

/// Subscribes to a Sluice topic. Used by one thread at a time.
///
/// Who writes what: this class writes its own ReaderEntry, the doorbells, and, when it finds a hole, the hole's stamp
/// (forwards only) and its owner's record (INTENT to FENCED). It never writes payloads, `reserved` or `horizon`.
///
/// reliable: messages are read in place; the cursor keeps publishers from reusing them until release, in any order.
/// best_effort: messages are copied out and then checked against the horizon; nobody waits for this reader.
class TopicReader final : public Reader {
 public:
  TopicReader(const TopicSpec& spec, const TopicOptions& options, const TransportContext& context);
  ~TopicReader() override;

  [[nodiscard]] std::optional<TakenMessage> take() noexcept override;
  void release(const TakenMessage& message) noexcept override;
  [[nodiscard]] bool valid(const TakenMessage& message) const noexcept override;
  [[nodiscard]] std::optional<WaitFor> arm() noexcept override;
  [[nodiscard]] std::uint32_t writer_count() const override;
  [[nodiscard]] ReaderStats stats() const noexcept override;

 private:
  void join() noexcept;
  void rejoin_after_eviction() noexcept;
  [[nodiscard]] bool intact(std::uint64_t position) const noexcept;
  [[nodiscard]] bool take_in_place(Cell& cell, std::optional<TakenMessage>& taken) noexcept;
  [[nodiscard]] bool take_copy(Cell& cell, std::byte* copy, std::optional<TakenMessage>& taken) noexcept;
  void deliver(TakenMessage& message, const std::byte* data, const Cell& header, std::uint64_t handle) noexcept;
  void look_ahead() noexcept;
  void prefetch_cell(std::uint64_t position) const noexcept;
  void skip() noexcept;
  void fall_behind() noexcept;
  void mark_released(std::uint64_t position) noexcept;
  [[nodiscard]] bool time_to_look() noexcept;
  [[nodiscard]] bool look_for_trouble() noexcept;
  void repair_hole(std::uint64_t position) noexcept;
  void write_books() noexcept { place_.write_books(books_, next_); }

  TopicFile file_;
  TopicOptions options_;
  ReaderPlace place_;

  std::uint64_t next_ = 0;    ///< The position to take next.
  std::uint64_t oldest_ = 0;  ///< The oldest position not given back; <= next_. Publishers know it, some later.
  std::uint64_t cursor_period_ = 1;
  std::vector<std::uint8_t> released_;  ///< By cell: whether a position in [oldest_, next_) was given back.

  std::uint64_t look_ahead_ = 1;    ///< How many positions.
  std::uint64_t look_again_ = 0;    ///< At this position,
  std::uint64_t filled_until_ = 0;  ///< having found everything below this one published.

  std::uint64_t lost_before_next_ = 0;  ///< For MessageInfo::lost.
  std::int64_t last_look_ns_ = 0;
  std::uint64_t hole_ = UINT64_MAX;  ///< The granted but unpublished position we wait at,
  std::int64_t hole_since_ns_ = 0;   ///< since this time; we look at its owner
  std::int64_t hole_look_ns_ = 0;    ///< next at this time.

  CopyBuffers copies_;  ///< best_effort: of messages handed out.
  ReaderStats books_;
};

}  // namespace sluice::slick
