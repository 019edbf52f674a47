// A program as C programs for ESHM are. It is compiled twice, as C11 and as C++20, with every warning an error; the
// structures are compared with the numbers of the format's description and not with those in the headers.
#include <eshm.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition)                                                       \
  do {                                                                         \
    if (!(condition)) {                                                        \
      fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);  \
      return 1;                                                                \
    }                                                                          \
  } while (0)

static int structures(void) {
  CHECK(sizeof(ESHMConfig) == 40 && sizeof(ESHMStats) == 80);
  CHECK(offsetof(ESHMConfig, role) == 8 && offsetof(ESHMConfig, disconnect_behavior) == 12);
  CHECK(offsetof(ESHMConfig, stale_threshold_ms) == 16 && offsetof(ESHMConfig, reconnect_wait_ms) == 20);
  CHECK(offsetof(ESHMConfig, reconnect_retry_interval_ms) == 24 && offsetof(ESHMConfig, max_reconnect_attempts) == 28);
  CHECK(offsetof(ESHMConfig, auto_cleanup) == 32 && offsetof(ESHMConfig, use_threads) == 33);
  CHECK(offsetof(ESHMStats, slave_heartbeat) == 8 && offsetof(ESHMStats, master_pid) == 16);
  CHECK(offsetof(ESHMStats, slave_pid) == 20 && offsetof(ESHMStats, master_alive) == 24);
  CHECK(offsetof(ESHMStats, slave_alive) == 25 && offsetof(ESHMStats, stale_threshold) == 28);
  CHECK(offsetof(ESHMStats, master_heartbeat_delta) == 32 && offsetof(ESHMStats, slave_heartbeat_delta) == 40);
  CHECK(offsetof(ESHMStats, m2s_write_count) == 48 && offsetof(ESHMStats, m2s_read_count) == 56);
  CHECK(offsetof(ESHMStats, s2m_write_count) == 64 && offsetof(ESHMStats, s2m_read_count) == 72);
  return 0;
}

static int segment(void) {
  CHECK(sizeof(ESHMSeqLock) == 4 && sizeof(ESHMHeader) == 128 && sizeof(ESHMChannel) == 4224);
  CHECK(sizeof(ESHMData) == 8576);
  CHECK(offsetof(ESHMHeader, magic) == 0 && offsetof(ESHMHeader, version) == 4);
  CHECK(offsetof(ESHMHeader, master_heartbeat) == 8 && offsetof(ESHMHeader, slave_heartbeat) == 16);
  CHECK(offsetof(ESHMHeader, master_pid) == 24 && offsetof(ESHMHeader, slave_pid) == 28);
  CHECK(offsetof(ESHMHeader, master_alive) == 32 && offsetof(ESHMHeader, slave_alive) == 36);
  CHECK(offsetof(ESHMHeader, stale_threshold) == 40 && offsetof(ESHMHeader, master_generation) == 44);
  CHECK(offsetof(ESHMHeader, features) == 48 && offsetof(ESHMHeader, layout_size) == 52);
  CHECK(offsetof(ESHMChannel, lock.sequence) == 0 && offsetof(ESHMChannel, data_size) == 4);
  CHECK(offsetof(ESHMChannel, data) == 8 && offsetof(ESHMChannel, write_count) == 4104);
  CHECK(offsetof(ESHMChannel, read_count) == 4112 && offsetof(ESHMChannel, wake_seq) == 4120);
  CHECK(offsetof(ESHMChannel, waiters) == 4124);
  CHECK(offsetof(ESHMData, header) == 0 && offsetof(ESHMData, master_to_slave) == 128);
  CHECK(offsetof(ESHMData, slave_to_master) == 4352);
  return 0;
}

static int numbers(void) {
  enum ESHMRole role = ESHM_ROLE_SLAVE;
  enum ESHMDisconnectBehavior behavior = ESHM_DISCONNECT_NEVER;
  CHECK(ESHM_MAGIC == 0x4553484D && ESHM_VERSION == 3 && ESHM_MAX_DATA_SIZE == 4096);
  CHECK(ESHM_HEARTBEAT_INTERVAL_MS == 1 && ESHM_TIMEOUT_INFINITE == 0xFFFFFFFF);
  CHECK(ESHM_ROLE_MASTER == 0 && role == 1 && ESHM_ROLE_AUTO == 2);
  CHECK(ESHM_DISCONNECT_IMMEDIATELY == 0 && ESHM_DISCONNECT_ON_TIMEOUT == 1 && behavior == 2);
  CHECK(ESHM_WAKEUP_PUSH == 0 && ESHM_WAKEUP_POLL == 1);
  CHECK(ESHM_CHANNEL_EMPTY == 0 && ESHM_CHANNEL_READY == 1 && ESHM_CHANNEL_READ == 2);
  CHECK(ESHM_SUCCESS == 0 && ESHM_ERROR_INVALID_PARAM == -1 && ESHM_ERROR_SHM_CREATE == -2);
  CHECK(ESHM_ERROR_SHM_ATTACH == -3 && ESHM_ERROR_SHM_DETACH == -4 && ESHM_ERROR_SHM_DELETE == -5);
  CHECK(ESHM_ERROR_MUTEX_INIT == -6 && ESHM_ERROR_MUTEX_LOCK == -7 && ESHM_ERROR_MUTEX_UNLOCK == -8);
  CHECK(ESHM_ERROR_NO_DATA == -9 && ESHM_ERROR_TIMEOUT == -10 && ESHM_ERROR_MASTER_STALE == -11);
  CHECK(ESHM_ERROR_BUFFER_FULL == -12 && ESHM_ERROR_BUFFER_TOO_SMALL == -13);
  CHECK(ESHM_ERROR_NOT_INITIALIZED == -14 && ESHM_ERROR_ROLE_MISMATCH == -15);
  return 0;
}

static int exchange(const char* name) {
  char buffer[64];
  size_t size = 0;
  ESHMHandle *master, *slave;
  ESHMConfig config = eshm_default_config(name);
  config.role = ESHM_ROLE_MASTER;
  master = eshm_init(&config);
  config.role = ESHM_ROLE_SLAVE;
  slave = eshm_init(&config);
  CHECK(master != NULL && slave != NULL);
  CHECK(eshm_read_ex(slave, buffer, sizeof buffer, &size, 0) == ESHM_ERROR_NO_DATA);
  CHECK(eshm_write(master, "Hello from master #0", 21) == ESHM_SUCCESS);
  CHECK(eshm_read(slave, buffer, sizeof buffer) == 21 && strcmp(buffer, "Hello from master #0") == 0);
  CHECK(eshm_read_ex(master, buffer, sizeof buffer, &size, 0) == ESHM_ERROR_NO_DATA);
  CHECK(eshm_write(slave, "Hello from slave #0", 20) == ESHM_SUCCESS);
  CHECK(eshm_read_ex(master, buffer, sizeof buffer, &size, ESHM_TIMEOUT_INFINITE) == ESHM_SUCCESS);
  CHECK(size == 20 && strcmp(buffer, "Hello from slave #0") == 0);
#ifndef __cplusplus  // where an enumeration holds its own values only
  CHECK(eshm_set_wakeup_mode(slave, (enum ESHMWakeupMode)2) == ESHM_ERROR_INVALID_PARAM);
#endif
  CHECK(eshm_destroy(slave) == ESHM_SUCCESS && eshm_destroy(master) == ESHM_SUCCESS);
  return 0;
}

int main(void) {
  char name[64];
  snprintf(name, sizeof name, "sluice-test-%d-basics", (int)getpid());
  return structures() || segment() || numbers() || exchange(name);
}
