#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace sluice::commands {

/// A payload of no known layout, as one line for people.
using PayloadText = std::string (*)(std::span<const std::byte> payload);

/// hex, text, u64, i64, u32, i32, f64, and auto: text if it is, else hex. Throws Error for another name.
[[nodiscard]] PayloadText payload_text(const std::string& format);

/// The other way round: the letters of `text`, or the bytes that its hexadecimal digits say. Throws Error when these
/// are none.
[[nodiscard]] std::vector<std::byte> payload_bytes(const std::string& text, bool hex);

}  // namespace sluice::commands
