#include <signal.h>
#include <sys/stat.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <memory>
#include <thread>

#include <catch2/catch.hpp>

#include "support/child_process.hpp"
#include "unit/libeshm/libeshm_support.hpp"

using namespace sluice::test;  // NOLINT(google-build-using-namespace)

namespace {

ESHMRole role_of(ESHMHandle* handle) {
  ESHMRole role = ESHM_ROLE_AUTO;
  CHECK(eshm_get_role(handle, &role) == ESHM_SUCCESS);
  return role;
}

/// How often a thread of this process went to sleep.
int sleeps_of(int thread) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/status");
  for (std::string word; file >> word;) {
    int count = 0;
    if (word == "voluntary_ctxt_switches:" && file >> count) return count;
  }
  return 0;
}

/// eshm_init that must fail; what it says.
std::string refusal(const ESHMConfig& config) {
  ESHMHandle* handle = nullptr;
  const std::string text = written_to_stderr([&] { handle = eshm_init(&config); });
  CHECK(handle == nullptr);
  return text;
}

mode_t mode_under(mode_t mask, const ChannelName& name) {
  const mode_t before = ::umask(mask);
  const End master(name.config(ESHM_ROLE_MASTER));
  ::umask(before);
  struct stat info {};
  REQUIRE(::stat(name.path().c_str(), &info) == 0);
  return info.st_mode & 0777U;
}

/// A master in a process of its own, which wrote "from the first" and is killed.
void leave_dead_master(const ChannelName& name, const std::function<void()>& while_it_lives) {
  ChildProcess first([&] {
    const End master(name.config(ESHM_ROLE_MASTER));
    write_text(master, "from the first");
    ::pause();
    return 0;
  });
  REQUIRE(eventually([&] { return name.exists() && Inside(name)->master_to_slave.write_count == 1; }));
  while_it_lives();
  first.kill(SIGKILL);
  first.wait();
}

}  // namespace

TEST_CASE("roles are what was asked for, and automatic ones are found", "[libeshm]") {
  const ChannelName name;
  const bool automatic = GENERATE(false, true);
  const End first(name.config(automatic ? ESHM_ROLE_AUTO : ESHM_ROLE_MASTER));
  const End second(name.config(automatic ? ESHM_ROLE_AUTO : ESHM_ROLE_SLAVE));
  CHECK(role_of(first) == ESHM_ROLE_MASTER);
  CHECK(role_of(second) == ESHM_ROLE_SLAVE);
  CHECK(try_read(second) == ESHM_ERROR_NO_DATA);
  CHECK(write_text(first, "hello") == ESHM_SUCCESS);
  CHECK(read_text(second, 30'000) == "hello");
}

TEST_CASE("who comes automatically to a dead master's segment is its slave", "[libeshm]") {
  const ChannelName name;
  End(name.still_config(ESHM_ROLE_MASTER)).close();
  const End second(name.config(ESHM_ROLE_AUTO));
  CHECK(role_of(second) == ESHM_ROLE_SLAVE);
}

TEST_CASE("a slave without a master is refused at once", "[libeshm]") {
  const ChannelName name;
  CHECK_THAT(refusal(name.config(ESHM_ROLE_SLAVE)),
             Catch::Contains("has no master") && !Catch::Contains("within the timeout"));
  CHECK_FALSE(name.exists());
}

TEST_CASE("a slave that is told to wait gets its master's first message, or a reason", "[libeshm]") {
  const ChannelName name;
  const ESHMConfig config = name.config(ESHM_ROLE_SLAVE);
  CHECK(eshm_init_wait(&config, 20) == nullptr);
  CHECK_THAT(std::string(eshm_last_error()), Catch::Contains("has no master, and none came within the timeout"));
  ESHMHandle* slave = nullptr;
  std::atomic<int> thread{0};
  std::thread waiting([&] {
    thread = ::gettid();
    slave = eshm_init_wait(&config, ESHM_TIMEOUT_INFINITE);
  });
  REQUIRE(eventually([&] { return thread != 0 && sleeps_of(thread) > 10; }));
  const End master(name.config(ESHM_ROLE_MASTER));
  write_text(master, "first");
  waiting.join();
  REQUIRE(slave != nullptr);
  CHECK(read_text(slave, 30'000) == "first");
  CHECK(eshm_destroy(slave) == ESHM_SUCCESS);
}

TEST_CASE("a channel that was opened waiting delivers from then on, and keeps books", "[libeshm]") {
  const ChannelName name;
  const End master(name.config(ESHM_ROLE_MASTER));
  write_text(master, "before");
  const ESHMConfig config = name.config(ESHM_ROLE_SLAVE);
  ESHMHandle* const slave = eshm_init_wait(&config, 1);
  REQUIRE(slave != nullptr);
  write_text(master, "replaced");
  write_text(master, "after");
  CHECK(read_text(slave, 0) == "after");
  CHECK(try_read(slave) == ESHM_ERROR_NO_DATA);
  ESHMBooks books{};
  CHECK(eshm_get_books(slave, &books) == ESHM_SUCCESS);
  CHECK((books.written == 0 && books.received == 1 && books.conflated == 1));
  CHECK(eshm_get_books(master, &books) == ESHM_SUCCESS);
  CHECK((books.written == 3 && books.received == 0 && books.conflated == 0));
  CHECK(eshm_destroy(slave) == ESHM_SUCCESS);
}

TEST_CASE("a second master and a second slave are refused", "[libeshm]") {
  const ChannelName name;
  const End master(name.config(ESHM_ROLE_MASTER));
  CHECK_THAT(refusal(name.config(ESHM_ROLE_MASTER)), Catch::Contains("living master"));
  const End slave(name.config(ESHM_ROLE_SLAVE));
  CHECK_THAT(refusal(name.config(ESHM_ROLE_SLAVE)), Catch::Contains("living slave"));
  CHECK_THAT(refusal(name.config(ESHM_ROLE_AUTO)), Catch::Contains("living slave"));
}

TEST_CASE("every '/' of a name becomes '_'", "[libeshm]") {
  const ChannelName plain;
  ESHMConfig config = plain.config(ESHM_ROLE_MASTER);
  const std::string with_slashes = std::string(config.shm_name) + "/arm/left";
  config.shm_name = with_slashes.c_str();
  const End master(config);
  CHECK(::access((plain.path() + "_arm_left").c_str(), F_OK) == 0);
}

TEST_CASE("a segment's rights are 0666 without the umask", "[libeshm]") {
  const ChannelName name;
  CHECK(mode_under(0000, name) == 0666);
  CHECK(mode_under(0022, name) == 0644);
  CHECK(mode_under(0027, name) == 0640);
}

TEST_CASE("only who created the segment removes it, and only with auto_cleanup", "[libeshm]") {
  const ChannelName name;
  End master(name.config(ESHM_ROLE_MASTER));
  End slave(name.config(ESHM_ROLE_SLAVE));
  slave.close();
  CHECK(name.exists());
  CHECK(Inside(name)->header.slave_alive == 0);
  master.close();
  CHECK_FALSE(name.exists());
  End(name.still_config(ESHM_ROLE_MASTER)).close();
  REQUIRE(name.exists());
  CHECK(Inside(name)->header.master_alive == 0);
}

TEST_CASE("a master takes over what a dead one left to a living slave", "[libeshm]") {
  const ChannelName name;
  std::unique_ptr<End> slave;
  leave_dead_master(name, [&] {
    slave = std::make_unique<End>(name.config(ESHM_ROLE_SLAVE));
    CHECK(try_read(*slave) == ESHM_ERROR_NO_DATA);
  });
  {
    const End second(name.config(ESHM_ROLE_MASTER));
    const Inside inside(name);
    CHECK(inside->header.master_generation == 2);
    CHECK(inside->master_to_slave.write_count == 1);
    CHECK(std::string(reinterpret_cast<const char*>(inside->master_to_slave.data)) == "from the first");
    CHECK(write_text(second, "from the second") == ESHM_SUCCESS);
    CHECK(read_text(*slave, 30'000) == "from the second");
  }
  CHECK(name.exists());  // who took over never removes it
}

TEST_CASE("what a dead master left to nobody is made anew", "[libeshm]") {
  const ChannelName name;
  leave_dead_master(name, [] {});
  const End second(name.config(ESHM_ROLE_MASTER));
  const Inside inside(name);
  CHECK(inside->header.master_generation == 1);
  CHECK(inside->master_to_slave.write_count == 0);
}

TEST_CASE("the stale threshold is the creator's", "[libeshm]") {
  const ChannelName name;
  ESHMConfig config = name.still_config(ESHM_ROLE_MASTER);
  config.stale_threshold_ms = 3'600'000;
  const End master(config);  // it does not beat
  const Inside inside(name);
  CHECK(inside->header.stale_threshold == 3'600'000);
  config = name.config(GENERATE(ESHM_ROLE_SLAVE, ESHM_ROLE_AUTO));
  config.stale_threshold_ms = 60;
  const End slave(config);
  CHECK(inside->header.stale_threshold == 3'600'000);
  ESHMStats stats;
  REQUIRE(eshm_get_stats(slave, &stats) == ESHM_SUCCESS);
  CHECK(stats.stale_threshold == 3'600'000);
  CHECK(eventually([&] { return inside->header.slave_heartbeat > 300; }));  // by then it would be stale
  bool alive = false;
  CHECK(eshm_check_remote_alive(slave, &alive) == ESHM_SUCCESS);
  CHECK(alive);
}

TEST_CASE("a configuration of zeros but for its name opens a channel", "[libeshm]") {
  const ChannelName name;
  ESHMConfig config;
  std::memset(&config, 0, sizeof config);
  config.shm_name = name.config(ESHM_ROLE_MASTER).shm_name;
  const End master(config);
  CHECK(role_of(master) == ESHM_ROLE_MASTER);
  CHECK(Inside(name)->header.stale_threshold == 100);
}
