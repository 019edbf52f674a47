#pragma once

#include <optional>

#include <sluice/loan_buffers.hpp>
#include <sluice/transport.hpp>

#include "slick/back_pressure.hpp"
#include "slick/entries.hpp"
#include "slick/raw_companion.hpp"

namespace sluice::slick {

/// Publishes into a SlickQueue segment. A message is a whole number of elements. Used by one thread at a time.
class RawWriter final : public Writer {
 public:
  RawWriter(const TopicSpec& spec, const RawOptions& options, const TransportContext& context);
  ~RawWriter() override;

  [[nodiscard]] LoanedBuffer loan(std::size_t bytes) noexcept override { return loans_.take(bytes); }
  PublishResult publish(const LoanedBuffer& loan, std::size_t used, std::int64_t published_ns) noexcept override;
  void discard(const LoanedBuffer& loan) noexcept override { loans_.give_back(loan); }
  PublishResult publish_copy(std::span<const std::byte> payload, std::int64_t published_ns) noexcept override;

  /// Sluice's own; foreign readers leave no trace in the format.
  [[nodiscard]] std::uint32_t reader_count() const override;
  [[nodiscard]] WriterStats stats() const noexcept override { return books_; }
  [[nodiscard]] PublisherId id() const noexcept override { return 0; }  ///< The format has no room for it.

 private:
  [[nodiscard]] std::optional<Ring::Grant> reserve(std::uint32_t n, Room& room) noexcept;
  [[nodiscard]] Room make_room(const Ring::Grant& wanted, std::uint32_t n) noexcept;
  [[nodiscard]] bool advance(std::uint64_t end) noexcept;
  [[nodiscard]] PublishResult commit(std::uint64_t index, std::uint32_t n) noexcept;
  void write_books() noexcept { slick::write_books(*entry_, books_); }

  Segment segment_;
  Ring ring_;
  Companion companion_;
  BackPressure back_pressure_;
  std::size_t max_size_;
  LoanBuffers loans_;
  WriterEntry* entry_;
  std::uint64_t horizon_ = 0;  ///< reliable: as last loaded; it only grows.
  WriterStats books_;
};

}  // namespace sluice::slick
