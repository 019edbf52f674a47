#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace sluice::detail {

inline constexpr std::size_t kMostRequestBytes = std::size_t{64} * 1024;
inline constexpr std::size_t kMostAnswerBytes = std::size_t{1024} * 1024;
inline constexpr std::int64_t kControlVersion = 1;

/// A request as it came through a control socket. What is absent is empty.
struct ControlRequest {
  std::string request;
  std::string node;
  std::string name;
  nlohmann::json value;
};

/// Cuts a stream of bytes into the bodies of messages. Not thread-safe.
class FrameDecoder {
 public:
  explicit FrameDecoder(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  void feed(std::string_view bytes) { buffer_.append(bytes); }

  /// The next whole body, if there is one. Throws Error for a length that is not allowed, before its bytes come.
  [[nodiscard]] std::optional<std::string> next();

  /// Whether a message has begun that is not whole yet.
  [[nodiscard]] bool begun() const noexcept { return !buffer_.empty(); }

 private:
  std::size_t most_bytes_;
  std::string buffer_;
};

/// The body with its length in front.
[[nodiscard]] std::string frame(std::string_view body);

/// Throws Error: no JSON, nested too deeply, another version, a field of another type.
[[nodiscard]] ControlRequest parse_control_request(std::string_view body);

/// The bytes to send: `answer` with version and ok. One that is too large becomes an error.
[[nodiscard]] std::string control_answer(nlohmann::json answer);
[[nodiscard]] std::string control_error(const std::string& sentence);

}  // namespace sluice::detail
