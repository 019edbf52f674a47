#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

namespace sluice {

/// For plugins: a reader's buffers for messages that it hands out as copies. Allocates only while more are out at once
/// than ever before, or a message is longer than every one before. The reader's thread prepares and hands out; any
/// thread gives back.
class CopyBuffers {
 public:
  /// Memory for a copy of `bytes`, the same one until it is handed out; nullptr: there is no memory.
  [[nodiscard]] std::byte* prepare(std::size_t bytes) noexcept {
    if (!find_free()) return nullptr;
    Buffer& buffer = *buffers_[current_];
    if (buffer.size < bytes || buffer.memory == nullptr) {
      buffer.memory.reset(new (std::nothrow) std::byte[bytes]);
      buffer.size = buffer.memory == nullptr ? 0 : bytes;
    }
    return buffer.memory.get();
  }

  /// Hands out what was prepared; returns its handle.
  [[nodiscard]] std::uint64_t hand_out() noexcept {
    Buffer& buffer = *buffers_[current_];
    buffer.out.store(true, std::memory_order_relaxed);
    return reinterpret_cast<std::uintptr_t>(&buffer);
  }

  /// What was handed out with `handle`.
  [[nodiscard]] static std::byte* memory(std::uint64_t handle) noexcept {
    return reinterpret_cast<Buffer*>(handle)->memory.get();
  }

  /// Takes a handle back; its memory is used again.
  static void give_back(std::uint64_t handle) noexcept {
    // Release: what its holder read of it comes before the next copy into it.
    reinterpret_cast<Buffer*>(handle)->out.store(false, std::memory_order_release);
  }

 private:
  struct Buffer {
    std::unique_ptr<std::byte[]> memory;
    std::size_t size = 0;
    std::atomic<bool> out{false};
  };

  /// The last one used if it is back, for it is warm.
  bool find_free() noexcept {
    if (current_ < buffers_.size() && !buffers_[current_]->out.load(std::memory_order_acquire)) return true;
    for (current_ = 0; current_ < buffers_.size(); ++current_) {
      if (!buffers_[current_]->out.load(std::memory_order_acquire)) return true;
    }
    try {
      buffers_.push_back(std::make_unique<Buffer>());
    } catch (const std::bad_alloc&) {
      return false;
    }
    return true;
  }

  std::vector<std::unique_ptr<Buffer>> buffers_;
  std::size_t current_ = 0;
};

}  // namespace sluice
