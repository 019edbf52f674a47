#pragma once

/// The segment /dev/shm/eshm_NAME as a program sees it that maps it for itself. C11 and C++. Host byte order.
///
/// Words that another process changes meanwhile are volatile: a loop that waits for one reads it each time. That orders
/// nothing; messages are for eshm_read and eshm_write.

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include <eshm_config.h>

#ifdef __cplusplus
extern "C" {
#endif

/// The first word: bytes "MHSE".
#define ESHM_MAGIC 0x4553484DU

/// The version of segments that are created. Those of version 2 are used as they are.
#define ESHM_VERSION 3U

// NOLINTBEGIN(readability-identifier-naming): enumerators have the original's names.
/// What a mailbox holds, from its reader's point of view. Not a word of the segment.
enum ESHMChannelState {
  ESHM_CHANNEL_EMPTY = 0,  ///< Nothing was ever written.
  ESHM_CHANNEL_READY = 1,  ///< A message that was not read.
  ESHM_CHANNEL_READ = 2    ///< A message that was read.
};
// NOLINTEND(readability-identifier-naming)

/// Says whether a mailbox's message is whole.
struct ESHMSeqLock {
  volatile uint32_t sequence;  ///< Odd while a write is in progress; two more after each one.
};
typedef struct ESHMSeqLock ESHMSeqLock;  ///< As `struct ESHMSeqLock`, for C.

/// One direction: the latest message.
struct ESHMChannel {
  ESHMSeqLock lock;                  ///< The writer's.
  volatile uint32_t data_size;       ///< Bytes of the message.
  uint8_t data[ESHM_MAX_DATA_SIZE];  ///< The message; what follows it is left over from earlier ones.
  volatile uint64_t write_count;     ///< Completed writes.
  volatile uint64_t read_count;      ///< Messages that were read.
  volatile uint32_t wake_seq;        ///< Version 3: the futex that readers sleep on, one more for every write.
  volatile uint32_t waiters;         ///< Version 3: readers asleep.
  uint8_t padding[96];               ///< Up to a multiple of 64.
};
typedef struct ESHMChannel ESHMChannel;  ///< As `struct ESHMChannel`, for C.

/// The first 128 bytes.
struct ESHMHeader {
  uint32_t magic;                       ///< ESHM_MAGIC.
  uint32_t version;                     ///< 2 or 3.
  volatile uint64_t master_heartbeat;   ///< Moves while the master lives.
  volatile uint64_t slave_heartbeat;    ///< Moves while the slave lives.
  volatile int32_t master_pid;          ///< For people: it may be of another PID namespace, or reused.
  volatile int32_t slave_pid;           ///< As master_pid.
  volatile uint32_t master_alive;       ///< 1 from start to end; still 1 after a crash.
  volatile uint32_t slave_alive;        ///< As master_alive.
  volatile uint32_t stale_threshold;    ///< Milliseconds after which a heartbeat that stands still is stale.
  volatile uint32_t master_generation;  ///< Counts the masters' starts.
  uint32_t features;                    ///< Version 3: bit 0, writers wake sleeping readers. Version 2: 0.
  uint32_t layout_size;                 ///< Version 3: bytes of the segment. Version 2: 0.
  uint8_t padding[72];                  ///< 0.
};
typedef struct ESHMHeader ESHMHeader;  ///< As `struct ESHMHeader`, for C.

/// All of it.
struct ESHMData {
  ESHMHeader header;            ///< Who is there.
  ESHMChannel master_to_slave;  ///< Written by the master.
  ESHMChannel slave_to_master;  ///< Written by the slave.
};
typedef struct ESHMData ESHMData;  ///< As `struct ESHMData`, for C.

static_assert(sizeof(ESHMSeqLock) == 4, "a mailbox begins with one word");
static_assert(offsetof(ESHMChannel, data_size) == 4 && offsetof(ESHMChannel, data) == 8, "before the data");
static_assert(offsetof(ESHMChannel, write_count) == 4104 && offsetof(ESHMChannel, read_count) == 4112, "counters");
static_assert(offsetof(ESHMChannel, wake_seq) == 4120 && offsetof(ESHMChannel, waiters) == 4124, "futex words");
static_assert(sizeof(ESHMChannel) == 4224, "a multiple of 64");
static_assert(offsetof(ESHMHeader, master_heartbeat) == 8 && offsetof(ESHMHeader, slave_heartbeat) == 16, "heartbeats");
static_assert(offsetof(ESHMHeader, master_pid) == 24 && offsetof(ESHMHeader, slave_pid) == 28, "pids");
static_assert(offsetof(ESHMHeader, master_alive) == 32 && offsetof(ESHMHeader, slave_alive) == 36, "alive flags");
static_assert(offsetof(ESHMHeader, stale_threshold) == 40 && offsetof(ESHMHeader, master_generation) == 44, "state");
static_assert(offsetof(ESHMHeader, features) == 48 && offsetof(ESHMHeader, layout_size) == 52, "version 3");
static_assert(sizeof(ESHMHeader) == 128, "the mailboxes follow");
static_assert(offsetof(ESHMData, master_to_slave) == 128 && offsetof(ESHMData, slave_to_master) == 4352, "mailboxes");
static_assert(sizeof(ESHMData) == 8576, "as long as the original's");

#ifdef __cplusplus
}
#endif
