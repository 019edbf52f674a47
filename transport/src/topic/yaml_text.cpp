#include "topic/yaml_text.hpp"

#include <sluice/error.hpp>
#include <sluice/shm/unique_fd.hpp>

#include <sluice/detail/quote.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <string_view>
#include <system_error>

namespace sluice::detail {

namespace {

constexpr std::size_t kLargestFile = std::size_t{16} << 20U;

/// Columns count bytes, as yaml-cpp's do.
Origin place_of(std::string_view text, std::size_t position, const std::string& source) {
  Origin origin{source, 1, 1};
  for (const char c : text.substr(0, position)) {
    origin.column += 1;
    if (c == '\n') {
      origin.line += 1;
      origin.column = 1;
    }
  }
  return origin;
}

[[noreturn]] void refuse_file(const std::string& path, const std::string& reason) {
  throw ConfigError(Origin{path, 0, 0}, "cannot read this file: " + reason);
}

}  // namespace

void check_yaml_text(const std::string& text, const std::string& source) {
  const std::string_view view = text;
  for (std::size_t position = 0; position < view.size();) {
    const auto byte = static_cast<unsigned char>(view[position]);
    const std::size_t length = utf8_length(view.substr(position));
    const bool control = (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7F;
    if (length == 0 || control) {
      throw ConfigError(place_of(view, position, source),
                        (control ? "control character " : "byte ") + quote(view.substr(position, 1)) +
                            (control ? " is not allowed in YAML" : " is not valid UTF-8; save the file as UTF-8"));
    }
    position += length;
  }
}

std::string read_yaml_file(const std::string& path) {
  const auto reason = [] { return std::generic_category().message(errno); };
  const shm::UniqueFd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file.valid()) refuse_file(path, reason());
  std::string text;
  std::array<char, std::size_t{64} * 1024> buffer;
  while (true) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse_file(path, reason());
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > kLargestFile) refuse_file(path, "it is larger than 16MiB");
  }
}

}  // namespace sluice::detail
