#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include <sluice/shm/atomic.hpp>
#include <sluice/shm/doorbell.hpp>
#include <sluice/shm/file_lock.hpp>
#include <sluice/shm/segment.hpp>

/// The file of one Sluice topic. PROTOCOL.md says who writes which word and why it is safe.
///
///   0        TopicHeader    what the topic is; written before the file has a name, constant afterwards
///   4096     TopicControl   reserved, horizon, doorbells
///   readers  ReaderEntry[]  one per subscription; owned through the lock byte at the entry's own file offset
///   writers  WriterEntry[]  one per publisher; likewise
///   ring     Cell[]         capacity cells of cell_stride bytes
///   pool                    room for payloads that do not travel inline; empty in this version
namespace sluice::slick {

inline constexpr std::uint32_t kTopicVersion = 2;
inline constexpr std::size_t kPage = 4096;
inline constexpr std::size_t kNameLength = 256;

/// The lock byte that every endpoint holds shared while the topic is open; whoever gets it exclusively is alone.
inline constexpr shm::ByteRange kLifetimeByte{0, 1};

/// Held exclusively while somebody compares the type with its own, or writes it down as the first who knows it.
inline constexpr shm::ByteRange kTypeByte{1, 1};

struct TopicHeader {
  shm::SegmentHeader segment;
  std::uint64_t capacity;     ///< Cells; a power of two, at least kMinCapacity.
  std::uint64_t cell_stride;  ///< Bytes from one cell to the next; a multiple of a cache line.
  std::uint64_t max_payload;  ///< Longest message in bytes.
  std::uint64_t readers_offset;
  std::uint64_t writers_offset;
  std::uint64_t ring_offset;
  std::uint64_t pool_offset;
  std::uint64_t pool_size;
  std::uint32_t max_readers;
  std::uint32_t max_writers;
  std::uint32_t depth;
  std::uint32_t history;
  std::uint32_t type_size;  ///< sizeof of a fixed type, or 0. With type_name: see kTypeByte.
  std::uint8_t reliability;
  std::uint8_t durability;
  std::uint8_t type_known;  ///< 1 once type_size and type_name are written; until then the type is undeclared.
  std::uint8_t padding;
  std::array<char, kNameLength> topic_name;
  std::array<char, kNameLength> type_name;
};
static_assert(offsetof(TopicHeader, capacity) == 64);
static_assert(offsetof(TopicHeader, max_readers) == 128);
static_assert(offsetof(TopicHeader, topic_name) == 152);
static_assert(sizeof(TopicHeader) <= kPage);

/// Words are grouped by who writes them and how often: what readers poll is never on a line that producers write for
/// every message.
struct TopicControl {
  /// Producers' line. `reserved` counts granted positions. `doorbell` is armed by sleeping readers.
  alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> reserved;
  shm::SharedAtomic<std::uint64_t> next_publisher;  ///< Identities given out so far.
  shm::Doorbell doorbell;

  /// The read-mostly line, written by the slow paths only.
  alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> horizon;
  shm::SharedAtomic<std::uint64_t> fence_epoch;  ///< Raised after a writer's record became FENCED.
  shm::Doorbell space;                           ///< Armed by producers that wait for room.

  /// Entries that were ever claimed lie below these, so that nobody looks through tables that are mostly empty. Raised
  /// by an entry's first owner before it is active; they never fall.
  shm::SharedAtomic<std::uint32_t> reader_entries;
  shm::SharedAtomic<std::uint32_t> writer_entries;

  /// Raw topics: 1 once a producer that keeps no entry here was noticed; then nothing is reliable any more.
  shm::SharedAtomic<std::uint32_t> foreign_producer;
};
static_assert(offsetof(TopicControl, doorbell) == 16);
static_assert(offsetof(TopicControl, horizon) == 128);
static_assert(offsetof(TopicControl, space) == 144);
static_assert(offsetof(TopicControl, reader_entries) == 148);
static_assert(offsetof(TopicControl, writer_entries) == 152);
static_assert(offsetof(TopicControl, foreign_producer) == 156);
static_assert(sizeof(TopicControl) == 256);

enum class EntryState : std::uint32_t {
  free = 0,
  active = 1,
  evicted = 2,  ///< readers only: held producers up for longer than evict_after
};

/// A reader's state counts joins, so that an eviction that was decided on long ago (its author was stopped) cannot hit
/// somebody who has joined since.
inline constexpr std::uint32_t kEntryStateMask = 0xFF;
[[nodiscard]] constexpr EntryState entry_state(std::uint32_t word) noexcept {
  return EntryState{word & kEntryStateMask};
}
[[nodiscard]] constexpr std::uint32_t with_state(std::uint32_t word, EntryState state) noexcept {
  return (word & ~kEntryStateMask) | static_cast<std::uint32_t>(state);
}
[[nodiscard]] constexpr std::uint32_t joined_once_more(std::uint32_t word) noexcept {
  return with_state(word + kEntryStateMask + 1, EntryState::active);
}

/// A subscription. Line 0 is read by producers' slow paths; line 1 by tools.
struct ReaderEntry {
  alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> cursor;  ///< Oldest position not yet given back.
  shm::SharedAtomic<std::uint32_t> state;  ///< EntryState, and above it how often it was joined.
  shm::SharedAtomic<std::uint32_t> pid;    ///< For people.

  /// The books, under `version` (odd while they are written): joined + received + lost + skipped = next position.
  alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> version;
  shm::SharedAtomic<std::uint64_t> joined;
  shm::SharedAtomic<std::uint64_t> received;
  shm::SharedAtomic<std::uint64_t> lost;
  shm::SharedAtomic<std::uint64_t> skipped;
  shm::SharedAtomic<std::uint64_t> bytes;
  shm::SharedAtomic<std::uint64_t> evictions;
};
static_assert(offsetof(ReaderEntry, version) == 128);
static_assert(sizeof(ReaderEntry) == 256);

/// A publisher. `record` says which position it is working on; see record_* below.
struct WriterEntry {
  alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> record;
  shm::SharedAtomic<std::uint64_t> publisher;
  shm::SharedAtomic<std::uint32_t> state;
  shm::SharedAtomic<std::uint32_t> pid;
  shm::SharedAtomic<std::uint64_t> grant;  ///< Raw topics: the latest grant, as make_reserved(position, n) of the ring.

  alignas(shm::kIsolation) shm::SharedAtomic<std::uint64_t> version;
  shm::SharedAtomic<std::uint64_t> published;
  shm::SharedAtomic<std::uint64_t> bytes;
  shm::SharedAtomic<std::uint64_t> timeouts;
  shm::SharedAtomic<std::uint64_t> uncertain;
};
static_assert(offsetof(WriterEntry, version) == 128);
static_assert(sizeof(WriterEntry) == 256);

/// One message. `stamp` and payload share the cell's lines, so a message of up to 32 bytes is one cache line's journey.
struct Cell {
  shm::SharedAtomic<std::uint64_t> stamp;  ///< See stamp_*; 0: never used.
  std::uint64_t sequence;
  std::int64_t published_ns;
  std::uint32_t publisher;
  std::uint32_t length;
  // The payload follows.
};
static_assert(sizeof(Cell) == 32);
inline constexpr std::size_t kCellHeader = sizeof(Cell);

/// What a cell says about position i. Both only ever grow within a cell, except for a fenced owner's late store.
[[nodiscard]] constexpr std::uint64_t stamp_message(std::uint64_t i) noexcept { return i + 1; }
[[nodiscard]] constexpr std::uint64_t stamp_jump(std::uint64_t i) noexcept { return i + 2; }
/// Two consecutive laps of a cell are kMinCapacity apart or more, so a jump is never mistaken for a message.
inline constexpr std::uint64_t kMinCapacity = 4;

/// A writer's record: position in the upper 62 bits, state in the lower two.
enum class RecordState : std::uint64_t { idle = 0, intent = 1, fenced = 2 };
inline constexpr std::uint64_t kRecordIdle = 0;
[[nodiscard]] constexpr std::uint64_t record_intent(std::uint64_t i) noexcept { return (i << 2U) | 1U; }
[[nodiscard]] constexpr std::uint64_t record_fenced(std::uint64_t i) noexcept { return (i << 2U) | 2U; }
[[nodiscard]] constexpr RecordState record_state(std::uint64_t record) noexcept { return RecordState{record & 3U}; }
[[nodiscard]] constexpr std::uint64_t record_position(std::uint64_t record) noexcept { return record >> 2U; }

}  // namespace sluice::slick
