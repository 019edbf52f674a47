// The segments that the original wrote, read through the public structures, and ours beside them.
#include <signal.h>

#include <cstring>
#include <memory>

#include <catch2/catch.hpp>

#include "support/child_process.hpp"
#include "unit/libeshm/libeshm_support.hpp"

using namespace sluice::test;  // NOLINT(google-build-using-namespace)

namespace {

struct Mailbox {
  std::uint32_t sequence;
  std::uint32_t data_size;
  std::uint64_t write_count;
  std::uint64_t read_count;
};

/// A row of tests/golden/README.md.
struct Row {
  const char* file;
  std::uint32_t version;
  std::uint32_t generation;
  std::uint32_t alive[2];
  Mailbox master_to_slave;
  Mailbox slave_to_master;
};

const Row kRows[] = {
    {"eshm-v2-cpp-both", 2, 1, {1, 1}, {2, 21, 1, 0}, {2, 20, 1, 0}},
    {"eshm-v2-cpp-fresh-master", 2, 1, {1, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}},
    {"eshm-v2-cpp-gen2-takeover-hello1", 2, 2, {1, 1}, {4, 21, 2, 0}, {2, 20, 1, 0}},
    {"eshm-v2-cpp-gen2-takeover", 2, 2, {1, 1}, {2, 21, 1, 0}, {2, 20, 1, 0}},
    {"eshm-v2-cpp-hello", 2, 1, {1, 0}, {2, 21, 1, 0}, {0, 0, 0, 0}},
    {"eshm-v2-cpp-odd-after-takeover-write", 2, 2, {1, 1}, {5, 21, 2, 0}, {0, 0, 0, 0}},
    {"eshm-v2-cpp-odd-master-killed", 2, 1, {1, 0}, {3, 21, 1, 0}, {0, 0, 0, 0}},
    {"eshm-v2-cpp-read-once", 2, 1, {1, 1}, {4, 21, 2, 1}, {0, 0, 0, 0}},
    {"eshm-v2-py-both", 2, 1, {1, 1}, {2, 21, 1, 0}, {2, 20, 1, 0}},
    {"eshm-v2-py-fresh-master", 2, 1, {1, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}},
    {"eshm-v2-py-hello", 2, 1, {1, 0}, {2, 21, 1, 0}, {0, 0, 0, 0}},
    {"synthetic-eshm-v3-hello", 3, 1, {1, 0}, {2, 21, 1, 0}, {0, 0, 0, 0}},
};

std::string golden(const std::string& file) {
  std::ifstream stream(std::string(SLUICE_GOLDEN_DIR) + "/" + file + ".bin", std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

ESHMData parse(const std::string& bytes) {
  REQUIRE(bytes.size() == sizeof(ESHMData));
  ESHMData data;
  std::memcpy(&data, bytes.data(), sizeof data);
  return data;
}

void check_mailbox(const ESHMChannel& channel, const Mailbox& expected) {
  CHECK(std::uint32_t{channel.lock.sequence} == expected.sequence);
  CHECK(std::uint32_t{channel.data_size} == expected.data_size);
  CHECK(std::uint64_t{channel.write_count} == expected.write_count);
  CHECK(std::uint64_t{channel.read_count} == expected.read_count);
}

std::string text_of(const ESHMChannel& channel) { return reinterpret_cast<const char*>(channel.data); }

/// What must be equal: all but process numbers and the words that version 3 added.
std::string comparable(const std::string& bytes) {
  ESHMData data = parse(bytes);
  data.header.version = data.header.features = data.header.layout_size = 0;
  data.header.master_pid = 0;
  data.header.slave_pid = 0;
  for (ESHMChannel* channel : {&data.master_to_slave, &data.slave_to_master}) {
    channel->wake_seq = 0;
    channel->waiters = 0;
  }
  std::string result(sizeof data, '\0');
  std::memcpy(result.data(), &data, sizeof data);
  return result;
}

void check_like_golden(const ChannelName& name, const std::string& file) {
  const ESHMData ours = parse(name.bytes());
  CHECK(ours.header.version == 3);
  CHECK(ours.header.features == 1);
  CHECK(ours.header.layout_size == 8576);
  CHECK((comparable(name.bytes()) == comparable(golden(file))));
}

void greet(ESHMHandle* handle, const std::string& side, int number) {
  REQUIRE(write_text(handle, "Hello from " + side + " #" + std::to_string(number)) == ESHM_SUCCESS);
}

/// Master 1 greets, the slave attaches and greets, master 1 is killed.
std::unique_ptr<End> slave_of_a_killed_master(const ChannelName& name) {
  ChildProcess first([&] {
    const End master(name.still_config(ESHM_ROLE_MASTER));
    greet(master, "master", 0);
    ::pause();
    return 0;
  });
  REQUIRE(eventually([&] { return name.exists() && Inside(name)->master_to_slave.write_count == 1; }));
  auto slave = std::make_unique<End>(name.still_config(ESHM_ROLE_SLAVE));
  greet(*slave, "slave", 0);
  first.kill(SIGKILL);
  first.wait();
  return slave;
}

}  // namespace

TEST_CASE("the original's segments are what the structures say", "[libeshm]") {
  for (const Row& row : kRows) {
    INFO(row.file);
    const ESHMData data = parse(golden(row.file));
    CHECK(data.header.magic == ESHM_MAGIC);
    CHECK(data.header.version == row.version);
    CHECK(std::uint32_t{data.header.stale_threshold} == 100);
    CHECK(std::uint32_t{data.header.master_generation} == row.generation);
    CHECK(std::uint32_t{data.header.master_alive} == row.alive[0]);
    CHECK(std::uint32_t{data.header.slave_alive} == row.alive[1]);
    CHECK((data.header.master_heartbeat == 0 && data.header.slave_heartbeat == 0));
    CHECK((data.header.master_pid != 0 && (data.header.slave_pid != 0) == (row.alive[1] != 0)));
    check_mailbox(data.master_to_slave, row.master_to_slave);
    check_mailbox(data.slave_to_master, row.slave_to_master);
    const auto greetings = row.master_to_slave.write_count;
    const bool torn = std::string(row.file).find("odd-master-killed") != std::string::npos;
    if (torn) CHECK(text_of(data.master_to_slave) == std::string(16, 'X') + "r #0");
    if (!torn && greetings > 0) {
      CHECK(text_of(data.master_to_slave) == "Hello from master #" + std::to_string(greetings - 1));
    }
    if (row.slave_to_master.write_count > 0) CHECK(text_of(data.slave_to_master) == "Hello from slave #0");
  }
}

TEST_CASE("ours are the same byte for byte, but for version 3 and pids", "[libeshm]") {
  const ChannelName name;
  const End master(name.still_config(ESHM_ROLE_MASTER));
  check_like_golden(name, "eshm-v2-cpp-fresh-master");
  greet(master, "master", 0);
  check_like_golden(name, "eshm-v2-cpp-hello");
  CHECK(std::uint32_t{parse(name.bytes()).master_to_slave.wake_seq} == 1);
  const End slave(name.still_config(ESHM_ROLE_SLAVE));
  greet(slave, "slave", 0);
  check_like_golden(name, "eshm-v2-cpp-both");
}

TEST_CASE("a takeover leaves what the original's leaves", "[libeshm]") {
  const ChannelName name;
  const auto slave = slave_of_a_killed_master(name);
  const End second(name.still_config(ESHM_ROLE_MASTER));
  check_like_golden(name, "eshm-v2-cpp-gen2-takeover");
  greet(second, "master", 1);
  check_like_golden(name, "eshm-v2-cpp-gen2-takeover-hello1");
}

TEST_CASE("a message half written by a dead master is never read, and the next write repairs it", "[libeshm]") {
  const ChannelName name;
  const bool inverted = GENERATE(false, true);
  std::string before = golden(inverted ? "eshm-v2-cpp-odd-after-takeover-write" : "eshm-v2-cpp-odd-master-killed");
  const std::uint32_t alive = 1;
  std::memcpy(&before[offsetof(ESHMHeader, slave_alive)], &alive, sizeof alive);
  std::ofstream(name.path(), std::ios::binary) << before;
  const End slave(name.still_config(ESHM_ROLE_SLAVE));
  CHECK(read_text(slave, 250) == "code -10");
  const End master(name.still_config(ESHM_ROLE_MASTER));
  CHECK(read_text(slave, 0) == "code -9");
  greet(master, "master", 1);
  ESHMData expected = parse(before);
  expected.header.master_generation = expected.header.master_generation + 1;
  expected.master_to_slave.lock.sequence = inverted ? 6 : 4;
  expected.master_to_slave.write_count = inverted ? 3 : 2;
  std::memcpy(expected.master_to_slave.data, "Hello from master #1", 21);
  std::string bytes(sizeof expected, '\0');
  std::memcpy(bytes.data(), &expected, sizeof expected);
  CHECK((comparable(name.bytes()) == comparable(bytes)));
  CHECK(parse(name.bytes()).header.version == 2);  // it goes on as what it is
  CHECK(std::uint32_t{parse(name.bytes()).master_to_slave.wake_seq} == 0);
  CHECK(read_text(slave, 0) == "Hello from master #1");
}
