#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <sluice/slick/ring.hpp>
#include <sluice/slick/segment.hpp>

#include "support/segment_name.hpp"

namespace sluice::test {

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

inline std::string golden(const std::string& file) { return read_file(std::string(SLUICE_GOLDEN_DIR) + "/" + file); }

/// The rows of slick.json.
inline nlohmann::json golden_rows() { return nlohmann::json::parse(golden("slick.json")); }

inline void put(std::string& bytes, std::size_t offset, std::uint32_t value) { std::memcpy(&bytes[offset], &value, 4); }
inline std::uint32_t get(const std::string& bytes, std::size_t offset) {
  std::uint32_t value = 0;
  std::memcpy(&value, &bytes[offset], 4);
  return value;
}

inline constexpr std::size_t kStateOffset = 48;

/// As the golden files: capacity 8, elements of 8 bytes.
inline slick::SegmentRequest golden_request(const SegmentName& name) {
  slick::SegmentRequest request;
  request.name = name.name();
  request.element_size = 8;
  request.capacity = 8;
  request.patience = std::chrono::milliseconds{30};
  return request;
}

/// A ring with its segment.
class TestRing : public slick::Ring {
 public:
  explicit TestRing(slick::Segment segment) : Ring(segment.memory), segment_(std::move(segment)) {}

  using Ring::read;

  /// Copies the next message into `out`.
  [[nodiscard]] Found read(Cursor& cursor, std::vector<std::byte>& out, std::uint64_t& index) const {
    Message message;
    const Found found = read(cursor, message, Effort::close, [&](const std::byte* from, std::size_t bytes) {
      out.resize(bytes);
      std::memcpy(out.data(), from, bytes);
    });
    if (found == Found::message) index = message.index;
    return found;
  }

 private:
  slick::Segment segment_;
};

/// What every element of the golden files holds.
constexpr std::uint64_t golden_element(std::uint64_t index) { return 0xC0DE000000000000U | index; }

/// Reserves n elements and writes them as the golden files' writers did.
inline void publish_golden(slick::Ring& ring, std::uint32_t n) {
  const std::uint64_t index = ring.reserve(n);
  for (std::uint64_t i = index; i < index + n; ++i) {
    const std::uint64_t value = golden_element(i);
    std::memcpy(ring.element(i), &value, sizeof value);
  }
  if (!ring.publish(index, n)) throw std::runtime_error("lapped");
}

}  // namespace sluice::test
