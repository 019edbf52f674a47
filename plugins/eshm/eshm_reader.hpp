#pragma once

#include <memory>

#include <sluice/copy_buffers.hpp>
#include <sluice/eshm/mailbox.hpp>
#include <sluice/transport.hpp>

#include "eshm/link.hpp"

namespace sluice::eshm {

/// Receives one mailbox of a channel; any number of them may, beside whoever else reads it. What was replaced before it
/// was taken counts as lost. Used by one thread at a time.
class EshmReader final : public Reader {
 public:
  EshmReader(const EshmOptions& options, const TransportContext& context);
  ~EshmReader() override;

  [[nodiscard]] std::optional<TakenMessage> take() noexcept override;
  void release(const TakenMessage& message) noexcept override { copies_.give_back(message.handle); }
  [[nodiscard]] bool valid(const TakenMessage& /*message*/) const noexcept override { return true; }
  [[nodiscard]] std::optional<WaitFor> arm() noexcept override;

  /// A writer of ours, or one for a program without Sluice that is alive on the other side.
  [[nodiscard]] std::uint32_t writer_count() const override;
  [[nodiscard]] ReaderStats stats() const noexcept override;

 private:
  [[nodiscard]] Side writer() const noexcept { return other(member_.side); }
  [[nodiscard]] bool follow_link() noexcept;
  [[nodiscard]] bool writer_stays(std::int64_t now_ns) noexcept;
  void report_interruption() noexcept;

  Member member_;
  std::shared_ptr<Link> link_;
  Link::Attached attached_;
  shm::FileLock place_;  ///< Holds one of reader_locks.
  MailboxReader reader_;
  CopyBuffers copies_;
  std::uint64_t bytes_ = 0;
  std::uint64_t interruptions_told_ = 0;
  std::int64_t following_since_ns_ = 0;  ///< The segment was replaced then; 0: it was not.
  RemoteWatch left_behind_;              ///< Of the writer in the old one.
};

}  // namespace sluice::eshm
