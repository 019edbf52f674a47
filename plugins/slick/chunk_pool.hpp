#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "slick/topic_file.hpp"

namespace sluice::slick {

/// A publisher's way to the chunks of a topic's file. PROTOCOL.md, "Chunks". Used by one thread.
///
/// Who writes what: the words of chunks, by CAS from available to lent to us, and from lent to us to available; those
/// of dead publishers and the holds of dead readers under their lock bytes.
///
/// A published chunk belongs to nobody, so nothing is lost with its publisher. It is free for the next loan when no
/// reader can come to it any more and none holds it. There are no reference counts: `look_around` reads the readers'
/// cursors and holds, a few lines of memory.
class ChunkPool {
 public:
  /// `writer`: the publisher's own entry.
  ChunkPool(TopicFile& file, std::uint32_t writer);

  struct Chunk {
    std::uint32_t number = 0;
    std::span<std::byte> memory;  ///< Empty: no chunk.
    explicit operator bool() const noexcept { return !memory.empty(); }
  };

  /// A free chunk of at least `bytes`, lent to us: the one that we used last if it is free, for the cache has it.
  /// None: all are lent, held, or not yet read; then also dead processes have been looked for.
  [[nodiscard]] Chunk take(std::size_t bytes) noexcept;

  /// The chunk goes out with the message of `position`. Call it before the message's stamp is stored.
  void publish(std::uint32_t chunk, std::uint64_t position) noexcept {
    file_.chunk_state(chunk).word.store_release(chunk_published(position));
  }

  /// Unsent: free at once.
  void give_back(std::uint32_t chunk) noexcept { file_.chunk_state(chunk).word.store_release(kChunkUnused); }

  /// Who has which chunks. Only looks: also good for a file that is mapped read-only.
  [[nodiscard]] std::vector<ChunkUsage> usage() noexcept;

  /// Who has the chunks that are large enough for `bytes`, for people.
  [[nodiscard]] std::string describe(std::size_t bytes) const;

 private:
  void look_around() noexcept;
  [[nodiscard]] bool is_free(std::uint32_t chunk, std::uint64_t word) const noexcept;
  [[nodiscard]] bool try_take(std::uint32_t chunk) noexcept;
  [[nodiscard]] Chunk take_of(const ChunkClass& chunks, std::vector<std::uint32_t>& recent) noexcept;
  [[nodiscard]] Chunk take_free(std::size_t bytes) noexcept;
  void reclaim_the_dead() noexcept;

  TopicFile& file_;
  std::uint32_t writer_;

  /// What the last look around found.
  std::uint64_t reserved_ = 0;       ///< Positions granted when it began.
  std::uint64_t needed_from_ = 0;    ///< Chunks published below this position are needed by those who hold them only.
  std::vector<std::uint32_t> held_;  ///< Chunks that readers hold, at least those of which this is said. Sorted.

  std::array<std::vector<std::uint32_t>, kChunkClasses> recent_;  ///< Used by us, by class; the latest at the end.
};

}  // namespace sluice::slick
