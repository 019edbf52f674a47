#pragma once

/// The drop-in for ESHM's <eshm.h>: programs written for libeshm 1.0 and 1.1, in C and in C++, compile against it
/// unchanged, link libeshm.so, and share segments with programs that use the original.
///
///   ESHMConfig config = eshm_default_config("robot");
///   config.role = ESHM_ROLE_MASTER;
///   ESHMHandle* handle = eshm_init(&config);             // one master and one slave, a process each
///   eshm_write(handle, "go", 3);                         // replaces what the slave has not read yet
///   int size = eshm_read(handle, buffer, sizeof buffer); // bytes, or a negative ESHM_ERROR_*
///   eshm_destroy(handle);
///
/// Link with -leshm (pkg-config eshm), or eshm::eshm (CMake package eshm), or sluice::eshm (package sluice).
///
/// Codes are of enum ESHMError. Thread safety: everything may be called from any thread, also on one handle; two reads,
/// or two writes, of one handle come one after the other. A handle that was destroyed is refused with
/// ESHM_ERROR_NOT_INITIALIZED, also by calls that were waiting. A handle that was inherited through fork() is refused.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <eshm_config.h>
#include <eshm_data.h>

#ifdef __cplusplus
extern "C" {
#endif

/// What the shared library offers.
#define ESHM_API __attribute__((visibility("default")))

/// For eshm_read_ex: as long as it takes.
#define ESHM_TIMEOUT_INFINITE 0xFFFFFFFFU

// NOLINTBEGIN(readability-identifier-naming): enumerators have the original's names.
/// Which end of a channel to be.
enum ESHMRole {
  ESHM_ROLE_MASTER = 0,  ///< Creates the segment, or takes a dead master's over.
  ESHM_ROLE_SLAVE = 1,   ///< Attaches to a segment that exists.
  ESHM_ROLE_AUTO = 2     ///< Slave if there is a segment, master otherwise.
};
typedef enum ESHMRole ESHMRole;  ///< As `enum ESHMRole`, for C.

/// What a slave does when its master's heartbeat stands still.
enum ESHMDisconnectBehavior {
  ESHM_DISCONNECT_IMMEDIATELY = 0,  ///< Ends: reads return ESHM_ERROR_MASTER_STALE. (A master's reads, too.)
  ESHM_DISCONNECT_ON_TIMEOUT = 1,   ///< Tries to reconnect within the limits of ESHMConfig.
  ESHM_DISCONNECT_NEVER = 2         ///< The same, as in the original. Patience without end: both limits 0.
};
typedef enum ESHMDisconnectBehavior ESHMDisconnectBehavior;  ///< As `enum ESHMDisconnectBehavior`, for C.

/// How a read waits.
enum ESHMWakeupMode {
  ESHM_WAKEUP_PUSH = 0,  ///< It sleeps, and the writer wakes it.
  ESHM_WAKEUP_POLL = 1   ///< It looks now and then.
};
typedef enum ESHMWakeupMode ESHMWakeupMode;  ///< As `enum ESHMWakeupMode`, for C.

/// Results. The original never returns those marked so; neither does this library.
enum ESHMError {
  ESHM_SUCCESS = 0,                   ///< Done.
  ESHM_ERROR_INVALID_PARAM = -1,      ///< A null handle, buffer or result; also when the size is 0.
  ESHM_ERROR_SHM_CREATE = -2,         ///< Never returned: eshm_init returns NULL.
  ESHM_ERROR_SHM_ATTACH = -3,         ///< Never returned.
  ESHM_ERROR_SHM_DETACH = -4,         ///< Never returned.
  ESHM_ERROR_SHM_DELETE = -5,         ///< Never returned.
  ESHM_ERROR_MUTEX_INIT = -6,         ///< Never returned.
  ESHM_ERROR_MUTEX_LOCK = -7,         ///< Never returned.
  ESHM_ERROR_MUTEX_UNLOCK = -8,       ///< Never returned.
  ESHM_ERROR_NO_DATA = -9,            ///< A read with timeout 0 that found nothing new.
  ESHM_ERROR_TIMEOUT = -10,           ///< Nothing came in time; or a slave without its master, also when it writes.
  ESHM_ERROR_MASTER_STALE = -11,      ///< A read with ESHM_DISCONNECT_IMMEDIATELY, and the other side is gone.
  ESHM_ERROR_BUFFER_FULL = -12,       ///< Never returned.
  ESHM_ERROR_BUFFER_TOO_SMALL = -13,  ///< The message is larger than the buffer, and stays; or than ESHM_MAX_DATA_SIZE.
  ESHM_ERROR_NOT_INITIALIZED = -14,   ///< The handle was destroyed, or belongs to the process that forked this one.
  ESHM_ERROR_ROLE_MISMATCH = -15      ///< Never returned.
};
typedef enum ESHMError ESHMError;  ///< As `enum ESHMError`, for C.
// NOLINTEND(readability-identifier-naming)

/// How to open a channel; begin with eshm_default_config.
struct ESHMConfig {
  const char* shm_name;                             ///< The segment is /dev/shm/eshm_NAME; every '/' in it becomes '_'.
  enum ESHMRole role;                               ///< Default: ESHM_ROLE_AUTO.
  enum ESHMDisconnectBehavior disconnect_behavior;  ///< Default: ESHM_DISCONNECT_ON_TIMEOUT.
  uint32_t stale_threshold_ms;  ///< Of a segment that is created, default (and 0): 100. Who attaches follows it.
  uint32_t reconnect_wait_ms;   ///< For all attempts together. Default: 5000. 0: no limit.
  uint32_t reconnect_retry_interval_ms;  ///< Between two attempts. Default: 100.
  uint32_t max_reconnect_attempts;       ///< Default: 50. 0: no limit.
  bool auto_cleanup;                     ///< Who created the segment removes it in eshm_destroy. Default: true.
  bool use_threads;                      ///< A thread beats, watches and reconnects. Default: true.
};
typedef struct ESHMConfig ESHMConfig;  ///< As `struct ESHMConfig`, for C.

/// What eshm_get_stats tells. The words of the segment may be of slightly different moments.
struct ESHMStats {
  uint64_t master_heartbeat;        ///< Moves while the master lives.
  uint64_t slave_heartbeat;         ///< Moves while the slave lives.
  pid_t master_pid;                 ///< For people; 0 before the first one.
  pid_t slave_pid;                  ///< For people; 0 before the first one.
  bool master_alive;                ///< As it said itself; still true after a crash.
  bool slave_alive;                 ///< As master_alive.
  uint32_t stale_threshold;         ///< Of the segment, in milliseconds.
  uint64_t master_heartbeat_delta;  ///< Since the previous call on this handle.
  uint64_t slave_heartbeat_delta;   ///< Since the previous call on this handle.
  uint64_t m2s_write_count;         ///< Messages that masters wrote into this segment.
  uint64_t m2s_read_count;          ///< Messages that slaves read.
  uint64_t s2m_write_count;         ///< Messages that slaves wrote.
  uint64_t s2m_read_count;          ///< Messages that masters read.
};
typedef struct ESHMStats ESHMStats;  ///< As `struct ESHMStats`, for C.

/// What eshm_get_books tells: what one handle did. received + conflated is what the other side completed since the
/// handle began to read, whenever a read has found nothing new. Not in the original.
struct ESHMBooks {
  uint64_t written;      ///< Messages.
  uint64_t received;     ///< Messages.
  uint64_t conflated;    ///< Messages that were replaced before this handle read them.
  uint64_t interrupted;  ///< Writes of the other side that were found half done for longer than 100 ms.
  uint64_t reconnects;   ///< Times that the other side came back.
};
typedef struct ESHMBooks ESHMBooks;  ///< As `struct ESHMBooks`, for C.

struct ESHMHandle;
typedef struct ESHMHandle ESHMHandle;  ///< One end of a channel.

/// The defaults that ESHMConfig names. `name` is kept as a pointer until eshm_init.
static inline ESHMConfig eshm_default_config(const char* name) {
  ESHMConfig config;
  config.shm_name = name;
  config.role = ESHM_ROLE_AUTO;
  config.disconnect_behavior = ESHM_DISCONNECT_ON_TIMEOUT;
  config.stale_threshold_ms = 100;
  config.reconnect_wait_ms = 5000;
  config.reconnect_retry_interval_ms = 100;
  config.max_reconnect_attempts = 50;
  config.auto_cleanup = true;
  config.use_threads = true;
  return config;
}

/// Opens a channel. NULL: a slave without a master, a side that a living program has already, a segment of another
/// size, ...; a line on stderr says why. Blocks for at most the stale threshold + 50 ms, to tell a dead peer from a
/// living one, and for 2 s while another program initialises the segment.
ESHM_API ESHMHandle* eshm_init(const ESHMConfig* config);

/// As eshm_init with two differences: nothing goes to stderr, and a slave waits for its master for at most
/// `attach_timeout_ms` (ESHM_TIMEOUT_INFINITE: as long as it takes). If that is not 0, either side is given what was
/// written after this call, not after its first read; a slave that waited, its master's first message. Not in the
/// original.
ESHM_API ESHMHandle* eshm_init_wait(const ESHMConfig* config, uint32_t attach_timeout_ms);

/// Why this thread's latest eshm_init or eshm_init_wait returned NULL; "" if it did not. Never NULL, and valid until
/// the thread calls one of them again or ends. Not in the original.
ESHM_API const char* eshm_last_error(void);

/// Closes it; calls that wait on it in other threads return ESHM_ERROR_NOT_INITIALIZED.
ESHM_API int eshm_destroy(ESHMHandle* handle);

/// Replaces the message for the other side. `size` 0 is a message as well.
ESHM_API int eshm_write(ESHMHandle* handle, const void* data, size_t size);

/// Reads the next message, waiting for at most 1000 ms. Its bytes (0 is a message as well), or a negative code. What
/// was written before the first read of a handle is not delivered.
ESHM_API int eshm_read(ESHMHandle* handle, void* buffer, size_t buffer_size);

/// As eshm_read with a timeout of its own: 0 does not wait, ESHM_TIMEOUT_INFINITE waits for ever. Returns a code, and
/// the message's bytes in `bytes_read`, which may be NULL.
ESHM_API int eshm_read_ex(ESHMHandle* handle, void* buffer, size_t buffer_size, size_t* bytes_read,
                          uint32_t timeout_ms);

/// Adds 1 to our heartbeat: for channels without threads.
ESHM_API int eshm_update_heartbeat(ESHMHandle* handle);

/// Whether the other side's heartbeat moves. Always true without threads; true until the stale threshold has passed
/// for the first time.
ESHM_API int eshm_check_remote_alive(ESHMHandle* handle, bool* is_alive);

/// Fills `stats`.
ESHM_API int eshm_get_stats(ESHMHandle* handle, ESHMStats* stats);

/// Fills `books`. The heartbeats' deltas of eshm_get_stats count from here on. Not in the original.
ESHM_API int eshm_get_books(ESHMHandle* handle, ESHMBooks* books);

/// Which end it became; never ESHM_ROLE_AUTO.
ESHM_API int eshm_get_role(ESHMHandle* handle, enum ESHMRole* role);

/// How reads of this handle wait from now on; at first ESHM_WAKEUP_PUSH.
ESHM_API int eshm_set_wakeup_mode(ESHMHandle* handle, enum ESHMWakeupMode mode);

/// What eshm_set_wakeup_mode set.
ESHM_API int eshm_get_wakeup_mode(ESHMHandle* handle, enum ESHMWakeupMode* mode);

/// A code in words; never NULL.
ESHM_API const char* eshm_error_string(int error_code);

#ifdef __cplusplus
}
#endif
