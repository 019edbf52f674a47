#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <vector>

#include <sluice/transport.hpp>

namespace sluice {

/// For plugins: a writer's loans, private buffers that are copied when they are published, last in first out so that
/// they stay in the cache. Allocates only while more are held at once than ever before. Used by the writer's thread.
class LoanBuffers {
 public:
  /// Every loan has `size` bytes.
  explicit LoanBuffers(std::size_t size) : size_(size) {
    buffers_.reserve(kMost);
    free_.reserve(kMost);
  }

  /// data == nullptr: more than the buffers hold was asked for (too_large), or all loans are out or memory is exhausted
  /// (out_of_chunks).
  [[nodiscard]] LoanedBuffer take(std::size_t bytes) noexcept {
    if (bytes > size_) return {.refused = PublishResult::too_large};
    if (free_.empty()) {
      if (buffers_.size() == kMost) return {.refused = PublishResult::out_of_chunks};
      auto* memory = new (std::nothrow) std::byte[std::max<std::size_t>(1, size_)];
      if (memory == nullptr) return {.refused = PublishResult::out_of_chunks};
      free_.push_back(buffers_.size());
      buffers_.emplace_back(memory);
    }
    const std::uint64_t handle = free_.back();
    free_.pop_back();
    return {buffers_[handle].get(), size_, handle};
  }

  /// Takes a loan back; its memory is lent again.
  void give_back(const LoanedBuffer& loan) noexcept { free_.push_back(loan.handle); }

 private:
  static constexpr std::size_t kMost = 64;

  std::size_t size_;
  std::vector<std::unique_ptr<std::byte[]>> buffers_;  ///< A loan's handle is its index.
  std::vector<std::uint64_t> free_;
};

}  // namespace sluice
