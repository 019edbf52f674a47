#pragma once

#include <atomic>

#include <sluice/copy_buffers.hpp>
#include <sluice/transport.hpp>

#include "slick/coarse_tick.hpp"
#include "slick/raw_companion.hpp"
#include "slick/raw_poller.hpp"
#include "slick/reader_place.hpp"

namespace sluice::slick {

/// Reads a SlickQueue segment from the moment it is opened. Messages are copied out and lap-tested; the books count
/// elements. Used by one thread at a time.
class RawReader final : public Reader {
 public:
  RawReader(const TopicSpec& spec, const RawOptions& options, const TransportContext& context);
  ~RawReader() override;

  [[nodiscard]] std::optional<TakenMessage> take() noexcept override;
  void release(const TakenMessage& message) noexcept override { copies_.give_back(message.handle); }
  [[nodiscard]] bool valid(const TakenMessage& /*message*/) const noexcept override { return true; }
  [[nodiscard]] std::optional<WaitFor> arm() noexcept override;

  /// Sluice's own; foreign producers leave no trace in the format.
  [[nodiscard]] std::uint32_t writer_count() const override;
  [[nodiscard]] ReaderStats stats() const noexcept override;

 private:
  [[nodiscard]] Ring::Effort effort() noexcept;
  [[nodiscard]] TakenMessage deliver(const Ring::Message& message, const std::byte* copy) noexcept;
  [[nodiscard]] bool deal_with_hole() noexcept;
  void watch_over_reliability(const Ring::Message& message) noexcept;
  void join() noexcept;
  void rejoin_after_eviction() noexcept;

  Segment segment_;
  Ring ring_;
  Companion companion_;
  ReaderPlace place_;
  RawOptions options_;
  Ring::Cursor cursor_;
  std::uint64_t cursor_period_;  ///< reliable: elements after which publishers learn of the cursor.
  CoarseTick tick_;

  ReaderStats books_;  ///< In elements; what cursor_ counts is not in it.
  std::uint64_t lost_reported_ = 0;
  std::uint64_t lost_by_eviction_ = 0;  ///< What cursor_.lost was then.
  std::uint64_t armed_at_received_ = 0;

  std::uint64_t hole_ = kNoIndex;   ///< The reserved, unpublished element we wait at,
  std::int64_t hole_since_ns_ = 0;  ///< since this time; we look at its owner
  std::int64_t hole_look_ns_ = 0;   ///< next at this time.

  CopyBuffers copies_;
  std::atomic<std::uint64_t> armed_at_{0};  ///< Where the polling thread looks.
  PollWatch watch_;
};

}  // namespace sluice::slick
