#pragma once

#include <optional>
#include <string>

#include <sluice/copy_buffers.hpp>
#include <sluice/slick/segment.hpp>
#include <sluice/transport.hpp>

#include "slick/coarse_tick.hpp"
#include "slick/raw_options.hpp"

namespace sluice::slick {

/// Looks at a SlickQueue segment without taking part: maps it read-only, has no entry in the file that Sluice's readers
/// share, and so nobody ever waits for it or knows of it. Messages are copied and lap-tested; the books count elements.
/// Used by one thread at a time; `release` by any.
///
/// The segment need not be there: the observer begins with it when it comes, and anew when another one has its name. It
/// polls, as nothing in the format could wake it.
class RawObserver final : public Reader {
 public:
  /// Throws Error when the segment is there and cannot be used.
  RawObserver(const RawOptions& options, const TransportContext& context, Observed what);

  [[nodiscard]] std::optional<TakenMessage> take() noexcept override;
  void release(const TakenMessage& message) noexcept override {
    if (message.data != nullptr) CopyBuffers::give_back(message.handle);
  }
  [[nodiscard]] bool valid(const TakenMessage& /*message*/) const noexcept override { return true; }
  [[nodiscard]] std::optional<WaitFor> arm() noexcept override;

  /// Sluice's own; foreign producers leave no trace in the format.
  [[nodiscard]] std::uint32_t writer_count() const override;
  [[nodiscard]] ReaderStats stats() const noexcept override;

 private:
  bool attach();
  [[nodiscard]] bool segment_is_there() noexcept;
  [[nodiscard]] bool step_over_hole() noexcept;
  [[nodiscard]] TakenMessage deliver(const Ring::Message& message, const std::byte* copy) noexcept;

  SegmentRequest request_;
  std::string path_;
  std::string directory_;
  std::chrono::nanoseconds hole_timeout_;
  Observed observed_;

  std::optional<Segment> segment_;
  Ring ring_;
  Ring::Cursor cursor_;
  CopyBuffers copies_;
  CoarseTick tick_;
  ReaderStats books_;  ///< In elements; what cursor_ counts is not in it.
  std::uint64_t lost_reported_ = 0;
  std::int64_t traffic_ns_ = 0;     ///< When a message was last taken.
  std::uint64_t hole_ = kNoIndex;   ///< The reserved, unpublished element that it stands at,
  std::int64_t hole_since_ns_ = 0;  ///< since this time.
};

}  // namespace sluice::slick
