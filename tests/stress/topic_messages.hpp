#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <new>
#include <random>
#include <span>
#include <stdexcept>

#include <sluice/shm/atomic.hpp>

namespace sluice::stress {

/// Memory that the processes of a program share, full of zeros.
template <typename T>
[[nodiscard]] T* share(std::uint64_t count) {
  const int flags = MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE;
  void* memory = ::mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE, flags, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("mmap failed");
  return static_cast<T*>(memory);
}

/// Which messages of a topic something is true of; in memory that processes share, so that it outlives them.
class MessageSet {
 public:
  MessageSet() = default;
  MessageSet(std::uint64_t publishers, std::uint64_t messages)
      : publishers_(publishers), words_((messages + 63) / 64), bits_(share<Bits>(publishers * words_)) {}

  [[nodiscard]] bool has_room_for(std::uint64_t publisher, std::uint64_t sequence) const noexcept {
    return publisher < publishers_ && sequence < words_ * 64;
  }
  /// Whether it was not there before.
  bool insert(std::uint64_t publisher, std::uint64_t sequence) noexcept {
    const std::uint64_t bit = std::uint64_t{1} << (sequence % 64);
    return (bits_[publisher * words_ + sequence / 64].fetch_or_seq_cst(bit) & bit) == 0;
  }
  [[nodiscard]] bool contains(std::uint64_t publisher, std::uint64_t sequence) const noexcept {
    return (bits_[publisher * words_ + sequence / 64].load_acquire() >> (sequence % 64) & 1U) != 0;
  }
  [[nodiscard]] std::uint64_t size(std::uint64_t publishers) const noexcept {
    return size_without(publishers, nullptr);
  }

  /// How many there are of the first publishers that `other` does not have.
  [[nodiscard]] std::uint64_t size_without(std::uint64_t publishers, const MessageSet* other) const noexcept {
    std::uint64_t count = 0;
    for (std::uint64_t k = 0; k < std::min(publishers, publishers_) * words_; ++k) {
      const std::uint64_t there = other == nullptr ? 0 : other->bits_[k].load_acquire();
      count += static_cast<std::uint64_t>(std::popcount(bits_[k].load_acquire() & ~there));
    }
    return count;
  }

 private:
  using Bits = shm::SharedAtomic<std::uint64_t>;
  std::uint64_t publishers_ = 0;
  std::uint64_t words_ = 0;
  Bits* bits_ = nullptr;
};

/// What lies at an offset of a message: nobody else's, and of no other length.
inline std::uint64_t expected_word(std::uint64_t publisher, std::uint64_t sequence, std::uint64_t length,
                                   std::uint64_t offset) noexcept {
  std::uint64_t word = (sequence << 20U ^ publisher) * 0x9E3779B97F4A7C15U;
  word ^= (word >> 29U) + length * 0xFF51AFD7ED558CCDU + offset * 0xC4CEB9FE1A85EC53U;
  return word ^ word >> 31U;
}

/// Calls `visit(offset, bytes)` for the words that a message is made of and judged by: all of those of a short one and
/// of a few long ones, otherwise some in every stretch of it, the first and the last among them.
template <typename Visit>
void for_each_word(std::uint64_t sequence, std::size_t length, Visit visit) {
  const bool all = length <= 512 || sequence % 128 == 0;
  const std::size_t step = all ? 8 : std::max<std::size_t>(64, length / 64 / 8 * 8);
  const std::size_t end = all ? length : length - 16;
  for (std::size_t at = 0; at < end; at += step) visit(at, std::min<std::size_t>(8, length - at));
  if (!all) visit(length - 8, 8);
}

inline void compose(std::byte* data, std::size_t length, std::uint64_t publisher, std::uint64_t sequence) noexcept {
  for_each_word(sequence, length, [&](std::size_t offset, std::size_t bytes) {
    const std::uint64_t word = expected_word(publisher, sequence, length, offset);
    std::memcpy(data + offset, &word, bytes);
  });
}

[[nodiscard]] inline bool is_whole(const std::byte* data, std::size_t length, std::uint64_t publisher,
                                   std::uint64_t sequence) noexcept {
  bool whole = true;
  for_each_word(sequence, length, [&](std::size_t offset, std::size_t bytes) {
    const std::uint64_t word = expected_word(publisher, sequence, length, offset);
    whole = std::memcmp(data + offset, &word, bytes) == 0 && whole;
  });
  return whole;
}

/// 0 to `most` bytes; as many between 1 and 10 as between 1 and 10 MB.
[[nodiscard]] inline std::size_t random_length(std::mt19937_64& random, std::size_t most) {
  const double exponent = std::generate_canonical<double, 53>(random);
  const double length = std::pow(static_cast<double>(most) + 1, exponent) - 1;
  return std::min(most, static_cast<std::size_t>(std::llround(length)));
}

}  // namespace sluice::stress
