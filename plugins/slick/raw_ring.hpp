#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "slick/raw_segment.hpp"

namespace sluice::slick {

/// The algorithms on a SlickQueue segment: upstream's, with the rules that make them safe. README.md tells each rule's
/// reason. Concurrency: any number of producers and readers in any processes; a RawCursor belongs to one reader.
class RawRing {
 public:
  explicit RawRing(RawSegment segment) noexcept;

  [[nodiscard]] std::uint64_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] std::uint32_t element_size() const noexcept { return element_size_; }

  /// The index after the latest reservation: where a reader that joins now begins.
  [[nodiscard]] std::uint64_t reserved() const noexcept;

  /// Reserves n elements, 1 <= n <= capacity, and returns the first index. Never blocks.
  [[nodiscard]] std::uint64_t reserve(std::uint32_t n) noexcept;
  [[nodiscard]] std::byte* element(std::uint64_t index) const noexcept;

  /// False: a whole lap was reserved meanwhile, so the elements belong to others now and nothing was published.
  bool publish(std::uint64_t index, std::uint32_t n) noexcept;

  struct Cursor {
    std::uint64_t next = 0;
    std::uint64_t lost = 0;          ///< Elements overwritten before they were read.
    std::uint64_t skipped = 0;       ///< Elements of holes that were given up, and tails skipped by a wrap.
    std::uint64_t before_reset = 0;  ///< Where the cursor stood when the queue was reset under it, summed up.
  };

  enum class Read { message, nothing, pending };  ///< pending: reserved but not published.

  /// Copies the next message into `out` (resized to it) and moves the cursor. What is returned is never torn.
  [[nodiscard]] Read read(Cursor& cursor, std::vector<std::byte>& out, std::uint64_t& index) const;

  /// Whether a look at the cursor would get anywhere. Of a half-written slot it is false, so that nobody spins on one.
  [[nodiscard]] bool ready(const Cursor& cursor) const noexcept;

  /// Gives up waiting at a hole: moves to the next published message, if there is one. Whether the cursor moved.
  bool skip_hole(Cursor& cursor) const noexcept;

 private:
  [[nodiscard]] RawHeader& header() const noexcept { return *segment_.mapping.at<RawHeader>(0); }
  [[nodiscard]] RawSlot& slot(std::uint64_t index) const noexcept {
    return segment_.mapping.at<RawSlot>(sizeof(RawHeader))[index & mask_];
  }
  [[nodiscard]] bool overtaken(std::uint64_t index) const noexcept;
  void resync(Cursor& cursor, std::uint64_t reserved) const noexcept;

  RawSegment segment_;
  std::uint64_t capacity_;
  std::uint64_t mask_;
  std::uint32_t element_size_;
  std::byte* data_;
};

}  // namespace sluice::slick
