#include <cstring>
#include <latch>
#include <limits>
#include <set>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "support/child_process.hpp"
#include "unit/libeshm/libeshm_support.hpp"

using namespace sluice::test;  // NOLINT(google-build-using-namespace)

namespace {

/// Every call with `handle` and good arguments otherwise.
std::set<int> codes_of_all_calls(ESHMHandle* handle) {
  char buffer[8];
  std::size_t size = 0;
  bool alive = false;
  ESHMStats stats;
  ESHMBooks books;
  ESHMRole role{};
  ESHMWakeupMode mode{};
  return {eshm_write(handle, "x", 1),
          eshm_read(handle, buffer, sizeof buffer),
          eshm_read_ex(handle, buffer, sizeof buffer, &size, ESHM_TIMEOUT_INFINITE),
          eshm_update_heartbeat(handle),
          eshm_check_remote_alive(handle, &alive),
          eshm_get_stats(handle, &stats),
          eshm_get_books(handle, &books),
          eshm_get_role(handle, &role),
          eshm_set_wakeup_mode(handle, ESHM_WAKEUP_POLL),
          eshm_get_wakeup_mode(handle, &mode),
          eshm_destroy(handle)};
}

}  // namespace

TEST_CASE("the defaults are the original's", "[libeshm]") {
  const char* const name = "robot";
  const ESHMConfig config = eshm_default_config(name);
  CHECK(config.shm_name == name);
  CHECK(config.role == ESHM_ROLE_AUTO);
  CHECK(config.disconnect_behavior == ESHM_DISCONNECT_ON_TIMEOUT);
  CHECK(config.stale_threshold_ms == 100);
  CHECK(config.reconnect_wait_ms == 5000);
  CHECK(config.reconnect_retry_interval_ms == 100);
  CHECK(config.max_reconnect_attempts == 50);
  CHECK(config.auto_cleanup);
  CHECK(config.use_threads);
}

TEST_CASE("every code has words of its own", "[libeshm]") {
  std::set<std::string> words;
  for (int code = 0; code >= -15; --code) words.insert(eshm_error_string(code));
  CHECK(words.size() == 16);
  for (const int code : {1, -16, std::numeric_limits<int>::min()}) CHECK(eshm_error_string(code) != nullptr);
}

TEST_CASE("NULL is refused wherever something is needed", "[libeshm]") {
  const ChannelName name;
  const End master(name.config(ESHM_ROLE_MASTER));
  CHECK(codes_of_all_calls(nullptr) == std::set<int>{ESHM_ERROR_INVALID_PARAM});
  char buffer[8];
  for (const std::size_t size : {0U, 8U}) {
    CHECK(eshm_write(master, nullptr, size) == ESHM_ERROR_INVALID_PARAM);
    CHECK(eshm_read(master, nullptr, size) == ESHM_ERROR_INVALID_PARAM);
    CHECK(eshm_read_ex(master, nullptr, size, nullptr, 0) == ESHM_ERROR_INVALID_PARAM);
  }
  CHECK(eshm_check_remote_alive(master, nullptr) == ESHM_ERROR_INVALID_PARAM);
  CHECK(eshm_get_stats(master, nullptr) == ESHM_ERROR_INVALID_PARAM);
  CHECK(eshm_get_books(master, nullptr) == ESHM_ERROR_INVALID_PARAM);
  CHECK(eshm_get_role(master, nullptr) == ESHM_ERROR_INVALID_PARAM);
  CHECK(eshm_get_wakeup_mode(master, nullptr) == ESHM_ERROR_INVALID_PARAM);
  CHECK(eshm_read_ex(master, buffer, sizeof buffer, nullptr, 0) == ESHM_ERROR_NO_DATA);
}

TEST_CASE("eshm_init says in one line why there is no handle", "[libeshm]") {
  const ChannelName name;
  const auto reason = [](const ESHMConfig* config) {
    ESHMHandle* handle = nullptr;
    const std::string text = written_to_stderr([&] { handle = eshm_init(config); });
    CHECK(handle == nullptr);
    CHECK(text.find('\n') == text.size() - 1);
    return text;
  };
  CHECK_THAT(reason(nullptr), Catch::Contains("NULL"));
  ESHMConfig config = name.config(ESHM_ROLE_SLAVE);
  CHECK_THAT(reason(&config), Catch::Contains(name.path()) && Catch::Contains("no master"));
  config.shm_name = nullptr;
  CHECK_THAT(reason(&config), Catch::Contains("shm_name"));
  config = name.config(ESHM_ROLE_MASTER);
  constexpr std::uint32_t kNone = 3;  // as a program in C, or through ctypes, may pass it
  std::memcpy(&config.role, &kNone, sizeof kNone);
  CHECK_THAT(reason(&config), Catch::Contains("role 3"));
  config = name.config(ESHM_ROLE_MASTER);
  std::memcpy(&config.disconnect_behavior, &kNone, sizeof kNone);
  CHECK_THAT(reason(&config), Catch::Contains("behaviour 3"));
}

TEST_CASE("eshm_last_error is why this thread's latest eshm_init returned NULL, with and without a line on stderr",
          "[libeshm]") {
  const ChannelName name;
  const ESHMConfig lonely = name.config(ESHM_ROLE_SLAVE);
  const std::string said = written_to_stderr([&] { CHECK(eshm_init(&lonely) == nullptr); });
  CHECK("eshm: " + std::string(eshm_last_error()) + "\n" == said);
  std::thread([] { CHECK(std::string(eshm_last_error()).empty()); }).join();
  CHECK(written_to_stderr([] { CHECK(eshm_init_wait(nullptr, 0) == nullptr); }).empty());
  CHECK_THAT(std::string(eshm_last_error()), Catch::Contains("NULL"));
  const ESHMConfig config = name.config(ESHM_ROLE_MASTER);
  ESHMHandle* const handle = eshm_init_wait(&config, 0);
  REQUIRE(handle != nullptr);
  CHECK(std::string(eshm_last_error()).empty());
  CHECK(eshm_destroy(handle) == ESHM_SUCCESS);
}

TEST_CASE("a handle that was destroyed is refused", "[libeshm]") {
  const ChannelName name;
  const ESHMConfig config = name.config(ESHM_ROLE_MASTER);
  ESHMHandle* const handle = eshm_init(&config);
  REQUIRE(eshm_destroy(handle) == ESHM_SUCCESS);
  CHECK(codes_of_all_calls(handle) == std::set<int>{ESHM_ERROR_NOT_INITIALIZED});
  for (int i = 0; i < 100; ++i) {
    const End another(config);
    REQUIRE(static_cast<ESHMHandle*>(another) != handle);
  }
  const End next(config);
  CHECK(codes_of_all_calls(handle) == std::set<int>{ESHM_ERROR_NOT_INITIALIZED});
  CHECK(write_text(next, "x") == ESHM_SUCCESS);
}

TEST_CASE("handles that are opened and destroyed for ever take no more and more memory", "[libeshm]") {
  const ChannelName name;
  const ESHMConfig config = name.still_config(ESHM_ROLE_MASTER);
  std::set<ESHMHandle*> handles;
  constexpr std::size_t kMany = 3000;
  for (std::size_t i = 0; i < kMany; ++i) {
    ESHMHandle* const handle = eshm_init(&config);
    REQUIRE(write_text(handle, "x") == ESHM_SUCCESS);
    REQUIRE(try_read(handle) == ESHM_ERROR_NO_DATA);
    REQUIRE(eshm_destroy(handle) == ESHM_SUCCESS);
    handles.insert(handle);
  }
  CHECK(handles.size() < kMany / 2);
}

TEST_CASE("destroying a handle ends a read that waits on it", "[libeshm]") {
  const ChannelName name;
  const ESHMConfig config = name.config(ESHM_ROLE_MASTER);
  ESHMHandle* const handle = eshm_init(&config);
  const Inside inside(name);
  std::thread reader([&] { CHECK(read_text(handle, ESHM_TIMEOUT_INFINITE) == "code -14"); });
  CHECK(eventually([&] { return inside->slave_to_master.waiters != 0; }));
  CHECK(eshm_destroy(handle) == ESHM_SUCCESS);
  reader.join();
}

TEST_CASE("a handle that came through a fork is refused, and the parent's stays", "[libeshm]") {
  const ChannelName name;
  const End master(name.config(ESHM_ROLE_MASTER));
  ChildProcess child([&] { return codes_of_all_calls(master) == std::set<int>{ESHM_ERROR_NOT_INITIALIZED} ? 0 : 1; });
  CHECK(child.wait() == 0);
  CHECK(name.exists());
  CHECK(write_text(master, "x") == ESHM_SUCCESS);
  const End slave(name.config(ESHM_ROLE_SLAVE));
  CHECK(try_read(slave) == ESHM_ERROR_NO_DATA);
  CHECK(write_text(master, "y") == ESHM_SUCCESS);
  CHECK(read_text(slave, 30'000) == "y");
}

TEST_CASE("threads that share a handle get whole messages, each one once", "[libeshm]") {
  const ChannelName name;
  const End master(name.config(ESHM_ROLE_MASTER));
  const End slave(name.config(ESHM_ROLE_SLAVE));
  REQUIRE(try_read(slave) == ESHM_ERROR_NO_DATA);
  constexpr int kWriters = 2;
  constexpr int kMessages = 50'000;
  std::latch start{kWriters + 2};
  std::atomic<int> writers_left{kWriters};
  std::atomic<std::uint64_t> received{0};
  std::atomic<int> torn{0};
  std::vector<std::thread> threads;
  for (int writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      start.arrive_and_wait();
      for (int i = 0; i < kMessages; ++i) {
        const std::string message(static_cast<std::size_t>(1 + i % 2000),
                                  static_cast<char>('a' + (2 * i + writer) % 26));
        if (eshm_write(master, message.data(), message.size()) != ESHM_SUCCESS) ++torn;
      }
      --writers_left;
    });
  }
  for (int reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&] {
      start.arrive_and_wait();
      char buffer[ESHM_MAX_DATA_SIZE];
      for (bool last = false; !last;) {
        last = writers_left == 0;
        const int size = eshm_read(slave, buffer, sizeof buffer);
        if (size == ESHM_ERROR_TIMEOUT) continue;
        last = false;
        if (size <= 0 ||
            std::string(buffer, static_cast<std::size_t>(size)).find_first_not_of(buffer[0]) != std::string::npos) {
          ++torn;
        }
        ++received;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Inside inside(name);
  CHECK(torn == 0);
  CHECK(received > 0);
  CHECK(inside->master_to_slave.write_count == kWriters * kMessages);
  CHECK(inside->master_to_slave.lock.sequence == 2 * kWriters * kMessages);
  CHECK(inside->master_to_slave.read_count == received);
}
