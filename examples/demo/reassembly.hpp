#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "file_messages.hpp"
#include "sha256.hpp"

namespace demo {

/// Puts the files of one stream together again and judges each by its digest. Keeps no file: what came is hashed and
/// forgotten. One thread.
class Reassembly {
 public:
  /// The next message of the stream. Whatever is wrong with it becomes one of problems().
  void accept(std::span<const std::byte> message);

  [[nodiscard]] bool started() const noexcept { return messages_ > 0; }
  [[nodiscard]] bool complete() const noexcept { return source_log_.has_value(); }
  [[nodiscard]] std::uint64_t messages() const noexcept { return messages_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::uint64_t files_matched() const noexcept { return matched_; }
  [[nodiscard]] std::uint64_t files_mismatched() const noexcept { return mismatched_; }

  /// What the source says it sent, once complete().
  [[nodiscard]] const std::optional<StreamTrailer>& source_log() const noexcept { return source_log_; }

  /// The first few things that were wrong, as sentences.
  [[nodiscard]] const std::vector<std::string>& problems() const noexcept { return problems_; }

 private:
  void begin(const ChunkHeader& header, std::span<const std::byte> body);
  void data(const ChunkHeader& header, std::span<const std::byte> body);
  void end(const ChunkHeader& header, std::span<const std::byte> body);
  void bye(std::span<const std::byte> body);
  void give_up_open_file(const std::string& why);
  void note(std::string problem);

  struct OpenFile {
    std::uint64_t number = 0;
    std::string path;
    std::uint64_t length = 0;
    bool intact = true;  ///< No gap so far.
  };

  std::optional<OpenFile> file_;
  Sha256 digest_;
  std::optional<StreamTrailer> source_log_;
  std::uint64_t messages_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t matched_ = 0;
  std::uint64_t mismatched_ = 0;
  std::vector<std::string> problems_;
};

}  // namespace demo
