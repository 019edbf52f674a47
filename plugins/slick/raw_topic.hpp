#pragma once

#include <memory>
#include <vector>

#include <sluice/transport.hpp>

#include "slick/loan_buffers.hpp"
#include "slick/raw_ring.hpp"

namespace sluice::slick {

/// The options of a raw topic, checked and converted.
struct RawOptions {
  RawRequest request;
  std::chrono::nanoseconds hole_timeout = std::chrono::milliseconds{100};
};

/// Whether this topic is a raw one (`segment:` is set).
[[nodiscard]] bool is_raw(const TopicSpec& spec);

/// Throws ConfigError at the option's place.
[[nodiscard]] RawOptions parse_raw_options(const TopicSpec& spec);

/// Publishes into a SlickQueue segment. A message must be a whole number of elements.
class RawWriter final : public Writer {
 public:
  RawWriter(const TopicSpec& spec, const RawOptions& options);

  [[nodiscard]] LoanedBuffer loan(std::size_t bytes) noexcept override { return loans_.take(bytes); }
  PublishResult publish(const LoanedBuffer& loan, std::size_t used, std::int64_t published_ns) noexcept override;
  void discard(const LoanedBuffer& loan) noexcept override { loans_.give_back(loan); }
  PublishResult publish_copy(std::span<const std::byte> payload, std::int64_t published_ns) noexcept override;

  /// Foreign readers leave no trace in the format, so this is always 0.
  [[nodiscard]] std::uint32_t reader_count() const override { return 0; }
  [[nodiscard]] WriterStats stats() const noexcept override { return books_; }
  [[nodiscard]] PublisherId id() const noexcept override { return 0; }

 private:
  RawRing ring_;
  std::size_t max_size_;
  LoanBuffers loans_;
  WriterStats books_;
};

/// Reads a SlickQueue segment from the moment it is opened. Messages are copied out and lap-tested; the books count
/// elements.
class RawReader final : public Reader {
 public:
  RawReader(const TopicSpec& spec, const RawOptions& options);

  [[nodiscard]] std::optional<TakenMessage> take() noexcept override;
  void release(const TakenMessage& message) noexcept override;
  [[nodiscard]] bool valid(const TakenMessage& /*message*/) const noexcept override { return true; }
  [[nodiscard]] std::optional<WaitFor> arm() noexcept override;
  [[nodiscard]] std::uint32_t writer_count() const override { return 0; }  ///< Producers leave no trace either.
  [[nodiscard]] ReaderStats stats() const noexcept override;

 private:
  void give_up_hole_in_time() noexcept;

  RawRing ring_;
  std::chrono::nanoseconds hole_timeout_;
  RawRing::Cursor cursor_;
  std::uint64_t joined_;
  std::uint64_t received_ = 0;  ///< In elements.
  std::uint64_t bytes_ = 0;
  std::uint64_t lost_reported_ = 0;
  std::int64_t last_traffic_ns_ = 0;
  std::int64_t pending_since_ns_ = 0;  ///< 0: not waiting at a hole.
  std::uint64_t pending_at_ = 0;
  std::vector<std::vector<std::byte>> copies_;
  std::vector<std::uint64_t> free_copies_;
};

}  // namespace sluice::slick
