#pragma once

#include <optional>
#include <string>

#include <sluice/copy_buffers.hpp>
#include <sluice/transport.hpp>

#include "slick/coarse_tick.hpp"
#include "slick/topic_file.hpp"

namespace sluice::slick {

/// Looks at a Sluice topic without taking part: maps its file read-only, has no entry and no lock in it, and so nobody
/// ever waits for it or knows of it. Messages are copied, then checked; what it was too slow for, it counts as lost.
/// Used by one thread at a time; `release` by any.
///
/// The topic need not be there: the observer begins with it when it comes, and again when it comes back. It cannot ask
/// to be woken, which needs a write: it polls, the slower the longer nothing comes.
class TopicObserver final : public Reader {
 public:
  /// Throws Error when the file is there and cannot be used.
  TopicObserver(const TopicSpec& spec, const TopicOptions& options, const TransportContext& context, Observed what);

  [[nodiscard]] std::optional<TakenMessage> take() noexcept override;
  void release(const TakenMessage& message) noexcept override {
    if (message.data != nullptr) CopyBuffers::give_back(message.handle);
  }
  [[nodiscard]] bool valid(const TakenMessage& /*message*/) const noexcept override { return true; }
  [[nodiscard]] std::optional<WaitFor> arm() noexcept override;
  [[nodiscard]] std::uint32_t writer_count() const override;

  /// Of the topic as long as it is there: a new file begins new books, except for what was received and lost.
  [[nodiscard]] ReaderStats stats() const noexcept override;

 private:
  enum class Look { taken, passed, stays };

  [[nodiscard]] bool find_topic();
  [[nodiscard]] bool topic_is_there() noexcept;
  [[nodiscard]] Look copy_message(const Cell& cell, TakenMessage& message) noexcept;
  [[nodiscard]] bool look_for_trouble() noexcept;
  void lose_until(std::uint64_t position) noexcept;

  std::string path_;
  std::string what_;
  TopicOptions options_;
  std::uint64_t history_;
  Observed observed_;
  std::optional<TopicFile> file_;
  CopyBuffers copies_;

  std::uint64_t next_ = 0;
  std::uint64_t lost_before_next_ = 0;
  CoarseTick tick_;
  std::int64_t stuck_since_ns_ = 0;  ///< At an unpublished position, at `stuck_at_`.
  std::uint64_t stuck_at_ = UINT64_MAX;
  std::uint32_t idle_rounds_ = 0;
  ReaderStats books_;
};

}  // namespace sluice::slick
