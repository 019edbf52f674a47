#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

namespace sluice {

/// For plugins: a reader's buffers for messages that it hands out as copies. Allocates only while more are out at once
/// than ever before, or a message is longer than every one before. Used by the reader's thread.
class CopyBuffers {
 public:
  /// Memory for a copy of `bytes`, the same one until it is handed out; nullptr: there is no memory.
  [[nodiscard]] std::byte* prepare(std::size_t bytes) noexcept {
    if (free_.empty() && !make_one()) return nullptr;
    Buffer& buffer = buffers_[free_.back()];
    if (buffer.size < bytes || buffer.memory == nullptr) {
      buffer.memory.reset(new (std::nothrow) std::byte[bytes]);
      buffer.size = buffer.memory == nullptr ? 0 : bytes;
    }
    return buffer.memory.get();
  }

  /// Hands out what was prepared; returns its handle.
  [[nodiscard]] std::uint64_t hand_out() noexcept {
    const std::uint64_t handle = free_.back();
    free_.pop_back();
    return handle;
  }

  /// Takes a handle back; its memory is used again.
  void give_back(std::uint64_t handle) noexcept { free_.push_back(handle); }

 private:
  struct Buffer {
    std::unique_ptr<std::byte[]> memory;
    std::size_t size = 0;
  };

  bool make_one() noexcept {
    try {
      free_.reserve(buffers_.size() + 1);  // so that give_back needs no memory
      buffers_.emplace_back();
      free_.push_back(buffers_.size() - 1);
    } catch (const std::bad_alloc&) {
      return false;
    }
    return true;
  }

  std::vector<Buffer> buffers_;  ///< A handle is an index.
  std::vector<std::uint64_t> free_;
};

}  // namespace sluice
