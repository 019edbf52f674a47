#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

/// What travels on /file/data: a ChunkHeader, then bytes whose meaning `kind` says.
///
///     begin file 0   (its path)          data file 0 at 0     data file 0 at 517   ...   end file 0 (FileTrailer)
///     begin file 1   ...                                                           ...   bye (StreamTrailer)
namespace demo {

inline constexpr const char* kDataTopic = "/file/data";
inline constexpr const char* kDataType = "demo/FileChunk";
inline constexpr const char* kProgressTopic = "/file/progress";

enum class ChunkKind : std::uint32_t { begin = 1, data = 2, end = 3, bye = 4 };

inline constexpr std::uint32_t kChunkMagic = 0x4b4e4843;  // "CHNK"

struct ChunkHeader {
  std::uint32_t magic;
  ChunkKind kind;
  std::uint64_t file;    ///< Counts the files of the stream from 0; the same path may come again under a new number.
  std::uint64_t offset;  ///< data: of the first byte within the file.
};
static_assert(sizeof(ChunkHeader) == 24);

using Digest = std::array<std::byte, 32>;

/// The body of `end`.
struct FileTrailer {
  std::uint64_t length;
  Digest sha256;  ///< As the source computed it while reading, before anything was published.
};
static_assert(sizeof(FileTrailer) == 40);

/// The body of `bye`: the source's own log.
struct StreamTrailer {
  std::uint64_t files;
  std::uint64_t messages;  ///< The bye itself included.
  std::uint64_t bytes;     ///< Of files, without headers.
};
static_assert(sizeof(StreamTrailer) == 24);

/// Copies a T out of a message, which may lie at any address; nothing when the size is another.
template <typename T>
[[nodiscard]] std::optional<T> read_exactly(std::span<const std::byte> bytes) noexcept {
  if (bytes.size() != sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

}  // namespace demo
