#pragma once

#include <string>

#include <sluice/copy_buffers.hpp>
#include <sluice/transport.hpp>

#include "slick/coarse_tick.hpp"
#include "slick/hole_watch.hpp"
#include "slick/reader_holds.hpp"
#include "slick/reader_place.hpp"
#include "slick/topic_file.hpp"
#include "slick/topic_group.hpp"

namespace sluice::slick {

/// A member of a work-stealing group of a Sluice topic: each message goes to one member. A message counts as processed
/// when it is released; what a member had not released when it died or was evicted goes to another one, marked
/// `redelivered`. Used by one thread at a time; `release` by any.
///
/// Short messages are copied out, for the place they came from belongs to the group; long ones are read in their chunk.
class TopicGroupReader final : public Reader {
 public:
  TopicGroupReader(const TopicSpec& spec, const TopicOptions& options, const TransportContext& context);
  ~TopicGroupReader() override;

  [[nodiscard]] std::optional<TakenMessage> take() noexcept override;
  [[nodiscard]] bool holds_too_many() const noexcept override { return waits_for_release_; }
  void release(const TakenMessage& message) noexcept override;
  [[nodiscard]] bool valid(const TakenMessage& /*message*/) const noexcept override { return true; }
  [[nodiscard]] std::optional<WaitFor> arm() noexcept override;
  [[nodiscard]] std::uint32_t writer_count() const override { return count_live_writers(file_); }

  /// Of this member. In the sum over all members that the group ever had, none of them killed: reserved - joined =
  /// received + lost + skipped + queued. `reserved`, `joined` and `queued` are the group's.
  [[nodiscard]] ReaderStats stats() const noexcept override;

 private:
  /// What a handed out message needs to be given back; in front of its copy.
  struct Ticket {
    std::uint64_t position;
    std::uint32_t hold;  ///< Plus 1; 0: none.
    std::uint32_t padding;
    std::uint64_t reserved[2];
  };
  static_assert(sizeof(Ticket) == 32);

  /// Nobody waits for us any more: we were evicted, or the group ended before we were seen in it.
  [[nodiscard]] bool is_out() const noexcept {
    return place_.evicted() || !group_lives(group_.entry().life.load_acquire());
  }
  void enter(std::uint64_t history);
  [[nodiscard]] bool reenter() noexcept;
  [[nodiscard]] bool take_next(TakenMessage& message) noexcept;
  [[nodiscard]] bool take_abandoned(TakenMessage& message) noexcept;
  [[nodiscard]] bool read(std::uint64_t position, TakenMessage& message) noexcept;
  [[nodiscard]] bool can_read() noexcept;
  void abandon(std::uint64_t position) noexcept;
  void pass_over(std::uint64_t position) noexcept;
  [[nodiscard]] bool is_nonsense(std::uint64_t position) const noexcept;
  std::uint64_t step_over(std::uint64_t position) noexcept;
  void help_past(std::uint64_t position) noexcept;
  void fall_behind(std::uint64_t position) noexcept;
  void acknowledge(std::uint64_t position) noexcept;
  void advance() noexcept;
  [[nodiscard]] bool look_for_trouble(std::uint64_t next) noexcept;
  [[nodiscard]] std::uint64_t claimed(std::uint64_t position) const noexcept {
    return claim_of(position, place_.index(), ClaimState::claimed);
  }
  void write_books() noexcept;

  TopicFile file_;
  TopicOptions options_;
  std::string topic_;
  ReaderPlace place_;
  ReaderHolds holds_;
  HoleWatch holes_;
  TopicGroup group_;
  CopyBuffers copies_;

  std::uint64_t lost_before_next_ = 0;
  CoarseTick tick_;            ///< Between looks for trouble ahead,
  CoarseTick look_back_tick_;  ///< for what others left behind.
  bool waits_for_release_ = false;
  ReaderStats books_;
};

}  // namespace sluice::slick
