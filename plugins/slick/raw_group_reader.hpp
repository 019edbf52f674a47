#pragma once

#include <sluice/copy_buffers.hpp>
#include <sluice/slick/shared_cursor.hpp>
#include <sluice/slick/untyped_queue.hpp>
#include <sluice/transport.hpp>

#include "slick/raw_companion.hpp"
#include "slick/raw_poller.hpp"
#include "slick/reader_place.hpp"

namespace sluice::slick {

/// A member of a work-stealing group on a SlickQueue segment: each message goes to one member, of whatever program. The
/// cursor is the 8-byte object that slick_queue programs share; a new one begins at 0. Used by one thread at a time.
///
/// The books are the member's own for received, lost and skipped; reserved, joined and queued are the group's, so the
/// sum over the members balances and one member's does not.
class RawGroupReader final : public Reader {
 public:
  RawGroupReader(const TopicSpec& spec, const RawOptions& options, const TransportContext& context);
  ~RawGroupReader() override;

  [[nodiscard]] std::optional<TakenMessage> take() noexcept override;
  void release(const TakenMessage& message) noexcept override { copies_.give_back(message.handle); }
  [[nodiscard]] bool valid(const TakenMessage& /*message*/) const noexcept override { return true; }
  [[nodiscard]] std::optional<WaitFor> arm() noexcept override;
  [[nodiscard]] std::uint32_t writer_count() const override;
  [[nodiscard]] ReaderStats stats() const noexcept override;

 private:
  [[nodiscard]] std::uint64_t place() const noexcept { return cursor_->load(std::memory_order_acquire); }
  [[nodiscard]] Ring::Found look() const noexcept;

  Segment segment_;  ///< Handed on to the queue once the companion knows it.
  Companion companion_;
  UntypedQueue queue_;
  Ring ring_;
  SharedCursor shared_;
  std::atomic<std::uint64_t>* cursor_;  ///< The shared one.
  ReaderPlace reader_place_;
  ReaderStats books_;
  std::uint64_t lost_without_memory_ = 0;
  std::uint64_t lost_reported_ = 0;
  std::uint64_t armed_at_received_ = 0;
  CopyBuffers copies_;
  PollWatch watch_;
};

}  // namespace sluice::slick
