#pragma once

#include <cstddef>
#include <cstdint>

#include <sluice/shm/atomic.hpp>
#include <sluice/shm/file_lock.hpp>

/// The ESHM segment, byte for byte as libeshm 1.0 (protocol 2) and 1.1 (protocol 3) write it: a header and two
/// mailboxes, one a direction. plugins/eshm/README.md has the picture. Not a byte here is ours to change.
namespace sluice::eshm {

inline constexpr std::uint32_t kMagic = 0x4553484D;        ///< Bytes "MHSE".
inline constexpr std::uint32_t kFutexFeature = 1;          ///< In `features`: writers wake sleeping readers.
inline constexpr std::size_t kDefaultMaxSize = 4096;       ///< ESHM_MAX_DATA_SIZE, unless compiled otherwise.
inline constexpr std::size_t kLargestMaxSize = 1U << 30U;  ///< Of ours; the format's own limit is 32 bits.

/// The two versions of the format. Sizes and offsets are the same; version 3 has futex words and says how long it is.
enum class Protocol : std::uint32_t { v2 = 2, v3 = 3 };

/// One of the two ends; also which mailbox it writes.
enum class Side : std::uint8_t { master, slave };

/// The end on the other side.
[[nodiscard]] constexpr Side other(Side side) noexcept { return side == Side::master ? Side::slave : Side::master; }

/// "master" or "slave".
[[nodiscard]] constexpr const char* name_of(Side side) noexcept { return side == Side::master ? "master" : "slave"; }

/// The first 128 bytes.
struct Header {
  shm::SharedAtomic<std::uint32_t> magic;              ///< kMagic.
  shm::SharedAtomic<std::uint32_t> version;            ///< A Protocol.
  shm::SharedAtomic<std::uint64_t> master_heartbeat;   ///< Milliseconds, written by the master alone.
  shm::SharedAtomic<std::uint64_t> slave_heartbeat;    ///< Milliseconds, written by the slave alone.
  shm::SharedAtomic<std::uint32_t> master_pid;         ///< For people; of the master's PID namespace.
  shm::SharedAtomic<std::uint32_t> slave_pid;          ///< For people.
  shm::SharedAtomic<std::uint32_t> master_alive;       ///< 0 or 1; still 1 after a crash.
  shm::SharedAtomic<std::uint32_t> slave_alive;        ///< 0 or 1; still 1 after a crash.
  shm::SharedAtomic<std::uint32_t> stale_threshold;    ///< In milliseconds; the creator's.
  shm::SharedAtomic<std::uint32_t> master_generation;  ///< Counts the masters' starts.
  shm::SharedAtomic<std::uint32_t> features;           ///< Version 3: kFutexFeature. Version 2: 0.
  shm::SharedAtomic<std::uint32_t> layout_size;        ///< Version 3: bytes of the segment. Version 2: 0.
  std::uint8_t padding[72];                            ///< 0.
};
static_assert(offsetof(Header, master_heartbeat) == 8 && offsetof(Header, slave_heartbeat) == 16);
static_assert(offsetof(Header, master_pid) == 24 && offsetof(Header, slave_pid) == 28);
static_assert(offsetof(Header, master_alive) == 32 && offsetof(Header, slave_alive) == 36);
static_assert(offsetof(Header, stale_threshold) == 40 && offsetof(Header, master_generation) == 44);
static_assert(offsetof(Header, features) == 48 && offsetof(Header, layout_size) == 52 && sizeof(Header) == 128);

/// Before a mailbox's data.
struct MailboxHead {
  shm::SharedAtomic<std::uint32_t> sequence;   ///< Odd while a write is in progress.
  shm::SharedAtomic<std::uint32_t> data_size;  ///< Bytes of the message.
};
static_assert(sizeof(MailboxHead) == 8);

/// Behind a mailbox's data.
struct MailboxTail {
  shm::SharedAtomic<std::uint64_t> write_count;  ///< Completed writes; a moment behind `sequence`.
  shm::SharedAtomic<std::uint64_t> read_count;   ///< Messages that readers took.
  shm::SharedAtomic<std::uint32_t> wake_seq;     ///< Version 3: the futex word, one more for every write.
  shm::SharedAtomic<std::uint32_t> waiters;      ///< Version 3: readers asleep; a dead one's stays.
};
static_assert(offsetof(MailboxTail, read_count) == 8 && offsetof(MailboxTail, wake_seq) == 16);
static_assert(offsetof(MailboxTail, waiters) == 20 && sizeof(MailboxTail) == 24);

/// Where the tail begins, from the mailbox's start.
[[nodiscard]] constexpr std::uint64_t mailbox_tail_offset(std::uint64_t max_size) noexcept {
  return (sizeof(MailboxHead) + max_size + 7) / 8 * 8;
}

/// Bytes of one mailbox for messages of up to `max_size` bytes.
[[nodiscard]] constexpr std::uint64_t mailbox_bytes(std::uint64_t max_size) noexcept {
  return (mailbox_tail_offset(max_size) + 64 + 63) / 64 * 64;
}

/// Bytes of a segment for messages of up to `max_size` bytes.
[[nodiscard]] constexpr std::uint64_t segment_bytes(std::uint64_t max_size) noexcept {
  return sizeof(Header) + 2 * mailbox_bytes(max_size);
}
static_assert(segment_bytes(4096) == 8576 && segment_bytes(8192) == 16768);

/// Where the mailbox begins that `writer` writes, from the segment's start.
[[nodiscard]] constexpr std::uint64_t mailbox_offset(Side writer, std::uint64_t max_size) noexcept {
  return sizeof(Header) + (writer == Side::master ? 0 : mailbox_bytes(max_size));
}

/// Locks between programs of ours (open file descriptions, README.md, "Offices and rights"). They are not bytes of the
/// format: the original never looks, and the kernel releases them with their holder.
///
/// The presence of a side: alive flag, pid and heartbeat are its holder's to write.
[[nodiscard]] constexpr shm::ByteRange presence_lock(Side side) noexcept {
  return {side == Side::master ? std::uint64_t{24} : std::uint64_t{28}, 1};
}

/// The right to write the mailbox of a side.
[[nodiscard]] constexpr shm::ByteRange writing_lock(Side writer) noexcept {
  return {writer == Side::master ? std::uint64_t{32} : std::uint64_t{36}, 1};
}

/// Held shared by everybody who uses the segment, and exclusively by who removes its name.
inline constexpr shm::ByteRange kUseLock{0, 1};

/// Readers of a mailbox hold a byte each, far behind the end of any segment, so that they can be counted.
[[nodiscard]] constexpr shm::ByteRange reader_locks(Side writer) noexcept {
  constexpr std::uint64_t kBase = std::uint64_t{1} << 40U;
  constexpr std::uint64_t kMost = 4096;
  return {kBase + (writer == Side::master ? 0 : kMost), kMost};
}

}  // namespace sluice::eshm
