#pragma once

#include <memory>

#include <sluice/eshm/mailbox.hpp>
#include <sluice/loan_buffers.hpp>
#include <sluice/transport.hpp>

#include "eshm/link.hpp"

namespace sluice::eshm {

/// Publishes into one mailbox of a channel, and has the right to: one writer at a time. Used by one thread at a time.
class EshmWriter final : public Writer {
 public:
  EshmWriter(const EshmOptions& options, const TransportContext& context);
  ~EshmWriter() override;

  [[nodiscard]] LoanedBuffer loan(std::size_t bytes) noexcept override { return loans_.take(bytes); }
  PublishResult publish(const LoanedBuffer& loan, std::size_t used, std::int64_t published_ns) noexcept override;
  void discard(const LoanedBuffer& loan) noexcept override { loans_.give_back(loan); }
  PublishResult publish_copy(std::span<const std::byte> payload, std::int64_t published_ns) noexcept override;

  /// Readers of ours, and one for a program without Sluice that is alive on the other side.
  [[nodiscard]] std::uint32_t reader_count() const override;
  [[nodiscard]] WriterStats stats() const noexcept override { return books_; }
  [[nodiscard]] PublisherId id() const noexcept override { return 0; }  ///< The format has no room for it.

 private:
  [[nodiscard]] bool move_to_new_segment() noexcept;

  Member member_;
  std::shared_ptr<Link> link_;
  Link::Attached attached_;
  shm::FileLock right_;  ///< Holds writing_lock.
  MailboxWriter writer_;
  LoanBuffers loans_;
  WriterStats books_;
};

}  // namespace sluice::eshm
