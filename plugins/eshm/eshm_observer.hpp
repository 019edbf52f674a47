#pragma once

#include <optional>
#include <string>

#include <sluice/copy_buffers.hpp>
#include <sluice/eshm/mailbox.hpp>
#include <sluice/transport.hpp>

#include "eshm/eshm_options.hpp"

namespace sluice::eshm {

/// Looks at one mailbox of a channel without taking part: maps the segment read-only, takes no lock and counts in no
/// word, so that nobody knows of it. Used by one thread at a time; `release` by any.
///
/// The channel need not be there: the observer begins with it when it comes, and anew when another one has its name. It
/// polls, as being woken needs a write.
class EshmObserver final : public Reader {
 public:
  /// Throws Error when the channel is there and cannot be used.
  EshmObserver(const EshmOptions& options, Observed what);

  [[nodiscard]] std::optional<TakenMessage> take() noexcept override;
  void release(const TakenMessage& message) noexcept override {
    if (message.data != nullptr) CopyBuffers::give_back(message.handle);
  }
  [[nodiscard]] bool valid(const TakenMessage& /*message*/) const noexcept override { return true; }
  [[nodiscard]] std::optional<WaitFor> arm() noexcept override;

  /// Whether the header says that somebody is on the writer's side; after a crash it still does.
  [[nodiscard]] std::uint32_t writer_count() const override;
  [[nodiscard]] ReaderStats stats() const noexcept override;

 private:
  bool attach(MailboxReader::From from);
  void look_for_another() noexcept;

  SegmentRequest request_;
  Side writer_;
  Observed observed_;
  std::optional<Segment> segment_;
  MailboxReader reader_;
  CopyBuffers copies_;
  std::uint64_t bytes_ = 0;
  std::int64_t next_look_ns_ = 0;  ///< At what the channel's name means.
};

}  // namespace sluice::eshm
