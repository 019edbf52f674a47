#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace sluice::fuzz {

/// The fuzzer's bytes, taken one after the other; zeros when there are no more.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}

  [[nodiscard]] bool empty() const { return left_ == 0; }

  /// Fills the memory as far as there are bytes; the rest stays as it is.
  void fill(void* memory, std::size_t size) {
    const std::size_t taken = std::min(size, left_);
    if (taken != 0) std::memcpy(memory, data_, taken);
    data_ += taken;
    left_ -= taken;
  }

  template <typename Integer>
  [[nodiscard]] Integer take() {
    Integer value = 0;
    fill(&value, sizeof value);
    return value;
  }

  /// From one byte; `limit` is at most 256.
  [[nodiscard]] std::uint32_t below(std::size_t limit) {
    return static_cast<std::uint32_t>(take<std::uint8_t>() % limit);
  }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

/// A rule that must hold whatever the input is. Ends the program when it does not, which the fuzzer reports.
inline void demand(bool holds, const char* rule) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", rule);
  std::abort();
}

inline volatile std::uint8_t seen = 0;  ///< By touch; so that the compiler cannot leave the reading out.

/// Reads every byte, as whoever was given a message does: AddressSanitizer or the end of the mapping judges it.
inline void touch(const std::byte* bytes, std::size_t size) {
  std::uint8_t sum = 0;
  for (std::size_t k = 0; k < size; ++k) sum = static_cast<std::uint8_t>(sum ^ static_cast<std::uint8_t>(bytes[k]));
  seen = sum;
}

}  // namespace sluice::fuzz
