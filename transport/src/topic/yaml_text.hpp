#pragma once

#include <string>

namespace sluice::detail {

/// Refuses what YAML forbids in a text and yaml-cpp lets through: bytes that are not UTF-8 and control characters. Byte
/// 0x04 matters most: yaml-cpp takes it for the end of the file and would ignore the rest in silence.
/// Throws ConfigError with the place of the first such byte.
void check_yaml_text(const std::string& text, const std::string& source);

/// Reads a file of at most 16 MiB. Throws ConfigError naming the path.
[[nodiscard]] std::string read_yaml_file(const std::string& path);

}  // namespace sluice::detail
