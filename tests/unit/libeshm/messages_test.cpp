#include <signal.h>

#include <chrono>
#include <thread>

#include <catch2/catch.hpp>

#include "support/child_process.hpp"
#include "unit/libeshm/libeshm_support.hpp"

using namespace sluice::test;  // NOLINT(google-build-using-namespace)

namespace {

/// Long enough for every machine, and still an end.
constexpr std::uint32_t kPatience = 30'000;

std::chrono::nanoseconds time_of(const std::function<void()>& action) {
  const auto start = std::chrono::steady_clock::now();
  action();
  return std::chrono::steady_clock::now() - start;
}

ESHMStats stats_of(ESHMHandle* handle) {
  ESHMStats stats;
  REQUIRE(eshm_get_stats(handle, &stats) == ESHM_SUCCESS);
  return stats;
}

bool remote_alive(ESHMHandle* handle) {
  bool alive = false;
  REQUIRE(eshm_check_remote_alive(handle, &alive) == ESHM_SUCCESS);
  return alive;
}

}  // namespace

TEST_CASE("what was written before the first read is not delivered, what follows is", "[libeshm]") {
  const ChannelName name;
  const End master(name.config(ESHM_ROLE_MASTER));
  const End slave(name.config(ESHM_ROLE_SLAVE));
  const bool something_before = GENERATE(false, true);
  if (something_before) CHECK(write_text(master, "before") == ESHM_SUCCESS);
  CHECK(try_read(slave) == ESHM_ERROR_NO_DATA);
  CHECK(write_text(master, "first") == ESHM_SUCCESS);  // the original loses this one after an empty mailbox
  CHECK(read_text(slave, 0) == "first");
  CHECK(try_read(slave) == ESHM_ERROR_NO_DATA);
  CHECK(write_text(master, "replaced") == ESHM_SUCCESS);
  CHECK(write_text(master, "latest") == ESHM_SUCCESS);
  CHECK(read_text(slave, 0) == "latest");
  CHECK(try_read(slave) == ESHM_ERROR_NO_DATA);
}

TEST_CASE("a message of no bytes is a message", "[libeshm]") {
  const ChannelName name;
  const End master(name.config(ESHM_ROLE_MASTER));
  const End slave(name.config(ESHM_ROLE_SLAVE));
  CHECK(try_read(slave) == ESHM_ERROR_NO_DATA);
  char buffer[1] = {'!'};
  CHECK(eshm_write(master, "", 0) == ESHM_SUCCESS);
  CHECK(eshm_read(slave, buffer, 0) == 0);
  CHECK(eshm_write(master, "", 0) == ESHM_SUCCESS);
  std::size_t size = 7;
  CHECK(eshm_read_ex(slave, buffer, sizeof buffer, &size, 0) == ESHM_SUCCESS);
  CHECK(size == 0);
  CHECK(buffer[0] == '!');
  CHECK(Inside(name)->master_to_slave.read_count == 2);
}

TEST_CASE("a message that does not fit stays", "[libeshm]") {
  const ChannelName name;
  const End master(name.config(ESHM_ROLE_MASTER));
  const End slave(name.config(ESHM_ROLE_SLAVE));
  CHECK(try_read(slave) == ESHM_ERROR_NO_DATA);
  CHECK(write_text(master, "hello") == ESHM_SUCCESS);
  char buffer[6] = {};
  std::size_t size = 7;
  CHECK(eshm_read(slave, buffer, 5) == ESHM_ERROR_BUFFER_TOO_SMALL);
  CHECK(eshm_read_ex(slave, buffer, 5, &size, 0) == ESHM_ERROR_BUFFER_TOO_SMALL);
  CHECK(size == 7);
  CHECK(Inside(name)->master_to_slave.read_count == 0);
  CHECK(eshm_read(slave, buffer, 6) == 6);
  CHECK(std::string(buffer) == "hello");
}

TEST_CASE("the largest message has 4096 bytes", "[libeshm]") {
  const ChannelName name;
  const End master(name.config(ESHM_ROLE_MASTER));
  const End slave(name.config(ESHM_ROLE_SLAVE));
  CHECK(try_read(slave) == ESHM_ERROR_NO_DATA);
  const std::string largest(4096, 'x');
  CHECK(eshm_write(master, largest.data(), 4097) == ESHM_ERROR_BUFFER_TOO_SMALL);
  CHECK(try_read(slave) == ESHM_ERROR_NO_DATA);
  CHECK(eshm_write(master, largest.data(), largest.size()) == ESHM_SUCCESS);
  std::string received(5000, '\0');
  CHECK(eshm_read(slave, received.data(), received.size()) == 4096);
  CHECK(received.substr(0, 4096) == largest);
}

TEST_CASE("a read waits as long as it was told", "[libeshm]") {
  const ChannelName name;
  const End master(name.config(ESHM_ROLE_MASTER));
  char buffer[8];
  std::size_t size = 7;
  CHECK(eshm_read_ex(master, buffer, sizeof buffer, &size, 0) == ESHM_ERROR_NO_DATA);
  CHECK(time_of([&] { CHECK(eshm_read_ex(master, buffer, sizeof buffer, &size, 120) == ESHM_ERROR_TIMEOUT); }) >=
        std::chrono::milliseconds{120});
  CHECK(size == 7);
  CHECK(time_of([&] { CHECK(eshm_read(master, buffer, sizeof buffer) == ESHM_ERROR_TIMEOUT); }) >=
        std::chrono::milliseconds{1000});
}

TEST_CASE("a read waits for another one of the same handle no longer than it was told", "[libeshm]") {
  const ChannelName name;
  const End master(name.config(ESHM_ROLE_MASTER));
  const End slave(name.config(ESHM_ROLE_SLAVE));
  const Inside inside(name);
  std::thread first([&] { CHECK(read_text(slave, ESHM_TIMEOUT_INFINITE) == "hello"); });
  CHECK(eventually([&] { return inside->master_to_slave.waiters != 0; }));
  CHECK(try_read(slave) == ESHM_ERROR_NO_DATA);
  CHECK(read_text(slave, 50) == "code -10");
  CHECK(write_text(slave, "x") == ESHM_SUCCESS);  // and nothing else waits for it
  CHECK(stats_of(slave).s2m_write_count == 1);
  CHECK(write_text(master, "hello") == ESHM_SUCCESS);
  first.join();
}

TEST_CASE("in push mode the reader registers and is woken, in poll mode it does not register", "[libeshm]") {
  const ChannelName name;
  const End master(name.config(ESHM_ROLE_MASTER));
  const End slave(name.config(ESHM_ROLE_SLAVE));
  const Inside inside(name);
  ESHMWakeupMode mode{};
  CHECK(eshm_get_wakeup_mode(slave, &mode) == ESHM_SUCCESS);
  CHECK(mode == ESHM_WAKEUP_PUSH);
  const bool poll = GENERATE(false, true);
  if (poll) {
    CHECK(eshm_set_wakeup_mode(slave, ESHM_WAKEUP_POLL) == ESHM_SUCCESS);
    CHECK(eshm_get_wakeup_mode(slave, &mode) == ESHM_SUCCESS);
    CHECK(mode == ESHM_WAKEUP_POLL);
  }
  const auto saw_waiters = [&] { return inside->master_to_slave.waiters != 0; };
  std::atomic<bool> registered{false};
  std::atomic<bool> done{false};
  std::thread observer([&] {
    while (!done) {
      if (saw_waiters()) registered = true;
      std::this_thread::yield();
    }
  });
  CHECK(read_text(slave, 200) == "code -10");
  done = true;
  observer.join();
  CHECK(registered == !poll);
  std::thread reader([&] { CHECK(read_text(slave, kPatience) == "hello"); });
  if (!poll) CHECK(eventually(saw_waiters));
  CHECK(write_text(master, "hello") == ESHM_SUCCESS);
  reader.join();
}

TEST_CASE("a slave that is to end at once says that its master is stale", "[libeshm]") {
  const ChannelName name;
  ChildProcess master([&] {
    ESHMConfig config = name.config(ESHM_ROLE_MASTER);
    config.stale_threshold_ms = 500;  // on a busy machine this process may get no processor for a while
    const End end(config);
    ::pause();
    return 0;
  });
  REQUIRE(eventually([&] { return name.exists(); }));
  ESHMConfig config = name.config(ESHM_ROLE_SLAVE);
  config.disconnect_behavior = ESHM_DISCONNECT_IMMEDIATELY;
  const End slave(config);
  CHECK(eventually([&] { return Inside(name)->header.master_heartbeat > 1 && remote_alive(slave); }));
  CHECK(try_read(slave) == ESHM_ERROR_NO_DATA);
  master.kill(SIGSTOP);
  CHECK(read_text(slave, ESHM_TIMEOUT_INFINITE) == "code -11");
  CHECK(try_read(slave) == ESHM_ERROR_MASTER_STALE);
  CHECK_FALSE(remote_alive(slave));
  master.kill(SIGKILL);
}

TEST_CASE("a master that is to end at once does not wait for a slave that never came", "[libeshm]") {
  const ChannelName name;
  ESHMConfig config = name.config(ESHM_ROLE_MASTER);
  config.disconnect_behavior = ESHM_DISCONNECT_IMMEDIATELY;
  const End master(config);
  CHECK(read_text(master, ESHM_TIMEOUT_INFINITE) == "code -11");
  CHECK(try_read(master) == ESHM_ERROR_MASTER_STALE);
  const End slave(name.config(ESHM_ROLE_SLAVE));
  CHECK(eventually([&] { return remote_alive(master); }));
  CHECK(try_read(master) == ESHM_ERROR_NO_DATA);
  CHECK(write_text(slave, "hello") == ESHM_SUCCESS);
  CHECK(read_text(master, kPatience) == "hello");
}

TEST_CASE("a slave gives up within its limits, whatever it is told about timeouts", "[libeshm]") {
  const ChannelName name;
  End master(name.config(ESHM_ROLE_MASTER));
  ESHMConfig config = name.config(ESHM_ROLE_SLAVE);
  config.disconnect_behavior = GENERATE(ESHM_DISCONNECT_ON_TIMEOUT, ESHM_DISCONNECT_NEVER);
  const bool by_attempts = GENERATE(false, true);
  config.max_reconnect_attempts = by_attempts ? 2 : 0;
  config.reconnect_wait_ms = by_attempts ? 0 : 40;
  config.reconnect_retry_interval_ms = 10;
  const End slave(config);
  CHECK(try_read(slave) == ESHM_ERROR_NO_DATA);
  CHECK(eventually([&] { return Inside(name)->header.slave_alive == 1 && remote_alive(slave); }));
  master.close();
  CHECK(read_text(slave, ESHM_TIMEOUT_INFINITE) == "code -10");  // so the read did not wait for ever
  CHECK(try_read(slave) == ESHM_ERROR_TIMEOUT);
  CHECK(write_text(slave, "x") == ESHM_ERROR_TIMEOUT);
}

TEST_CASE("a slave that may reconnect waits for the next master", "[libeshm]") {
  const ChannelName name;
  End first(name.config(ESHM_ROLE_MASTER));
  ESHMConfig config = name.config(ESHM_ROLE_SLAVE);
  config.max_reconnect_attempts = 0;
  config.reconnect_wait_ms = 0;
  config.reconnect_retry_interval_ms = 5;
  const End slave(config);
  CHECK(try_read(slave) == ESHM_ERROR_NO_DATA);
  CHECK(write_text(first, "one") == ESHM_SUCCESS);
  CHECK(read_text(slave, kPatience) == "one");
  first.close();
  CHECK(eventually([&] { return write_text(slave, "x") == ESHM_ERROR_TIMEOUT; }));
  CHECK(try_read(slave) == ESHM_ERROR_TIMEOUT);
  CHECK(time_of([&] { CHECK(read_text(slave, 800) == "code -10"); }) >= std::chrono::milliseconds{800});
  const End second(name.config(ESHM_ROLE_MASTER));
  CHECK(write_text(second, "two") == ESHM_SUCCESS);
  CHECK(read_text(slave, kPatience) == "two");
  CHECK(eventually([&] { return write_text(slave, "back") == ESHM_SUCCESS; }));
}

TEST_CASE("without threads hearts stand still and the other side always lives", "[libeshm]") {
  const ChannelName name;
  const End master(name.still_config(ESHM_ROLE_MASTER));
  CHECK(remote_alive(master));
  const End slave(name.still_config(ESHM_ROLE_SLAVE));
  const Inside inside(name);
  std::this_thread::sleep_for(std::chrono::milliseconds{30});  // gives a beat the time to be seen
  CHECK(inside->header.master_heartbeat == 0);
  CHECK(inside->header.slave_heartbeat == 0);
  CHECK(remote_alive(master));
  CHECK(remote_alive(slave));
}

TEST_CASE("with threads both hearts beat, and each side sees the other", "[libeshm]") {
  const ChannelName name;
  const End master(name.config(ESHM_ROLE_MASTER));
  End slave(name.config(ESHM_ROLE_SLAVE));
  const Inside inside(name);
  CHECK(eventually([&] { return inside->header.master_heartbeat > 20 && inside->header.slave_heartbeat > 20; }));
  CHECK(remote_alive(master));
  CHECK(remote_alive(slave));
  slave.close();
  CHECK(eventually([&] { return !remote_alive(master); }));
}

TEST_CASE("statistics are the segment's words, and what the hearts did since the last call", "[libeshm]") {
  const ChannelName name;
  const End master(name.still_config(ESHM_ROLE_MASTER));
  const End slave(name.still_config(ESHM_ROLE_SLAVE));
  CHECK(try_read(slave) == ESHM_ERROR_NO_DATA);
  for (int i = 0; i < 3; ++i) CHECK(write_text(master, "x") == ESHM_SUCCESS);
  CHECK(read_text(slave, 0) == "x");
  for (int i = 0; i < 2; ++i) CHECK(write_text(slave, "y") == ESHM_SUCCESS);
  CHECK(eshm_update_heartbeat(slave) == ESHM_SUCCESS);
  CHECK(stats_of(master).slave_heartbeat_delta == 1);
  CHECK(eshm_update_heartbeat(slave) == ESHM_SUCCESS);
  CHECK(eshm_update_heartbeat(slave) == ESHM_SUCCESS);
  CHECK(eshm_update_heartbeat(master) == ESHM_SUCCESS);
  const ESHMStats stats = stats_of(master);
  CHECK(stats.master_heartbeat == 1);
  CHECK(stats.slave_heartbeat == 3);
  CHECK(stats.master_heartbeat_delta == 1);
  CHECK(stats.slave_heartbeat_delta == 2);
  CHECK(stats_of(master).slave_heartbeat_delta == 0);
  CHECK(stats_of(slave).slave_heartbeat_delta == 3);  // each handle counts for itself
  CHECK(stats.master_pid == ::getpid());
  CHECK(stats.slave_pid == ::getpid());
  CHECK(stats.master_alive);
  CHECK(stats.slave_alive);
  CHECK(stats.stale_threshold == 100);
  CHECK(stats.m2s_write_count == 3);
  CHECK(stats.m2s_read_count == 1);
  CHECK(stats.s2m_write_count == 2);
  CHECK(stats.s2m_read_count == 0);
}
