#include <unistd.h>

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include <sluice/eshm/inspect.hpp>

#include "unit/eshm/channel_peer.hpp"

using namespace sluice;
using namespace sluice::eshm;
using namespace sluice::test;

namespace {

/// A row of the table in tests/golden/README.md.
struct Row {
  const char* file;
  std::uint32_t version;
  std::uint32_t generation;
  bool slave_alive;
  DirectionInfo master_to_slave;
  DirectionInfo slave_to_master;
};

const std::vector<Row>& rows() {
  static const std::vector<Row> all{
      {"eshm-v2-cpp-both", 2, 1, true, {2, 21, 1, 0}, {2, 20, 1, 0}},
      {"eshm-v2-cpp-fresh-master", 2, 1, false, {}, {}},
      {"eshm-v2-cpp-gen2-takeover-hello1", 2, 2, true, {4, 21, 2, 0}, {2, 20, 1, 0}},
      {"eshm-v2-cpp-gen2-takeover", 2, 2, true, {2, 21, 1, 0}, {2, 20, 1, 0}},
      {"eshm-v2-cpp-hello", 2, 1, false, {2, 21, 1, 0}, {}},
      {"eshm-v2-cpp-odd-after-takeover-write", 2, 2, true, {5, 21, 2, 0}, {}},
      {"eshm-v2-cpp-odd-master-killed", 2, 1, false, {3, 21, 1, 0}, {}},
      {"eshm-v2-cpp-read-once", 2, 1, true, {4, 21, 2, 1}, {}},
      {"eshm-v2-py-both", 2, 1, true, {2, 21, 1, 0}, {2, 20, 1, 0}},
      {"eshm-v2-py-fresh-master", 2, 1, false, {}, {}},
      {"eshm-v2-py-hello", 2, 1, false, {2, 21, 1, 0}, {}},
      {"synthetic-eshm-v3-hello", 3, 1, false, {2, 21, 1, 0}, {}},
  };
  return all;
}

std::string file_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string golden(const std::string& name) {
  std::string bytes = file_bytes(std::string(SLUICE_GOLDEN_DIR) + "/" + name + ".bin");
  REQUIRE(bytes.size() == 8576);
  return bytes;
}

/// Puts a golden file where channels are.
void put(const ChannelName& name, const std::string& bytes) {
  std::ofstream(name.path(), std::ios::binary | std::ios::trunc) << bytes;
}

/// Without the pids, which are another process's.
std::string without_pids(std::string bytes) {
  std::memset(&bytes[24], 0, 8);
  return bytes;
}

/// The message, as both languages write it: with the NUL.
std::string hello(const std::string& from, int number) {
  return "Hello from " + from + " #" + std::to_string(number) + std::string(1, '\0');
}

bool same(const DirectionInfo& a, const DirectionInfo& b) {
  return a.sequence == b.sequence && a.data_size == b.data_size && a.write_count == b.write_count &&
         a.read_count == b.read_count;
}

/// What the golden files' writers had: protocol 2, no threads, no cleanup.
ChannelOptions as_original(Role role) {
  ChannelOptions options = as(role);
  options.protocol = Protocol::v2;
  options.heartbeat = false;
  options.auto_cleanup = false;
  options.access.mode = 0644;
  return options;
}

/// In a process that is killed with its channel open.
void killed_master(const ChannelName& name, const std::function<void(Channel&)>& action) {
  const ChannelName done;
  ChildProcess child([&] {
    Channel master(name.name(), as_original(Role::master));
    action(master);
    std::ofstream(done.path()) << "done";
    std::this_thread::sleep_for(kWatchdog);
    return 0;
  });
  REQUIRE(eventually([&] { return done.exists(); }));
}

}  // namespace

TEST_CASE("every golden channel is found in the table, and is what the table says") {
  std::size_t found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SLUICE_GOLDEN_DIR)) {
    found += entry.path().filename().string().find("eshm-v") != std::string::npos ? 1 : 0;
  }
  CHECK(found == rows().size());
  for (const Row& row : rows()) {
    CAPTURE(row.file);
    const ChannelName name;
    const std::string bytes = golden(row.file);
    put(name, bytes);
    const ChannelInfo info = inspect_channel(name.name(), std::chrono::milliseconds{1});
    CHECK((info.problem.empty() && info.version == row.version && info.generation == row.generation));
    CHECK((info.stale_threshold == 100 && info.file_size == 8576 && info.max_sizes.text() == "4089 to 4152"));
    CHECK((info.master.pid != 0 && (info.slave.pid != 0) == row.slave_alive));
    CHECK(same(info.master_to_slave, row.master_to_slave));
    CHECK(same(info.slave_to_master, row.slave_to_master));
    CHECK((info.master.heartbeat == 0 && info.slave.heartbeat == 0));
    const auto segment = attach_segment({.name = name.name(), .access = {}});
    REQUIRE(segment);
    CHECK(segment->protocol == Protocol{row.version});
    CHECK(segment->header().master_alive.load_relaxed() == 1);
    CHECK(segment->header().slave_alive.load_relaxed() == (row.slave_alive ? 1 : 0));
    CHECK(segment->header().features.load_relaxed() == (row.version == 3 ? kFutexFeature : 0));
    CHECK(segment->header().layout_size.load_relaxed() == (row.version == 3 ? 8576 : 0));
    CHECK(file_bytes(name.path()) == bytes);  // looking changed nothing
  }
}

TEST_CASE("what a slave gets that attaches to a golden channel") {
  for (const Row& row : rows()) {
    for (const FirstRead first : {FirstRead::after_open, FirstRead::after_reading, FirstRead::current}) {
      CAPTURE(row.file);
      const ChannelName name;
      put(name, golden(row.file));
      ChannelOptions options = as_original(Role::slave);
      options.first_read = first;
      Channel slave(name.name(), options);
      const bool odd = row.master_to_slave.sequence % 2 != 0;
      const Got got = read(slave, odd ? std::chrono::milliseconds{150} : std::chrono::milliseconds{5});
      if (first == FirstRead::current && !odd && row.master_to_slave.sequence != 0) {
        const int number = static_cast<int>(row.master_to_slave.write_count) - 1;
        const std::string from = std::string(row.file).find("-py-") == std::string::npos ? "master" : "Python master";
        CHECK(got.status == ReadStatus::ok);
        CHECK(got.text.size() == 21);
        CHECK((got.text == hello("master", number) || got.text == hello(from, number)));
      } else {
        CHECK(got.status == ReadStatus::nothing);
      }
      CHECK(slave.stats().interrupted == (odd ? 1 : 0));
    }
  }
}

TEST_CASE("a reader with a baseline below what was written never gets the torn bytes") {
  for (const char* file : {"eshm-v2-cpp-odd-master-killed", "eshm-v2-cpp-odd-after-takeover-write"}) {
    const ChannelName name;
    put(name, golden(file));
    const auto segment = attach_segment({.name = name.name(), .access = {}});
    MailboxReader reader;
    reader.start(segment->mailbox(Side::master), MailboxReader::From::first);
    std::vector<std::byte> buffer(4096);
    MailboxReader::Message message;
    const auto take = [&] { return reader.take([&](std::size_t) { return buffer.data(); }, message); };
    CHECK(take() == MailboxReader::Found::nothing);
    CHECK(eventually([&] { return take() == MailboxReader::Found::interrupted; }));
    CHECK(reader.books().received == 0);
  }
}

TEST_CASE("a master that takes over an odd sequence leaves it even") {
  struct Case {
    const char* file;
    std::uint32_t sequence;
    std::uint64_t write_count;
  };
  for (const Case& odd :
       {Case{"eshm-v2-cpp-odd-master-killed", 4, 2}, Case{"eshm-v2-cpp-odd-after-takeover-write", 6, 3}}) {
    CAPTURE(odd.file);
    const ChannelName name;
    std::string bytes = golden(odd.file);
    bytes[36] = 1;  // slave_alive: else it would be made anew
    put(name, bytes);
    const std::uint32_t generation = inspect_channel(name.name(), {}).generation;
    Channel master(name.name(), as_original(Role::master));
    CHECK((master.took_over() && !master.created() && master.generation() == generation + 1));
    Channel slave(name.name(), as_original(Role::slave));
    CHECK(write(master, "whole") == WriteStatus::ok);
    const Got got = read(slave);
    CHECK((got.status == ReadStatus::ok && got.text == "whole" && got.conflated == 0));
    const DirectionInfo direction = inspect_channel(name.name(), {}).master_to_slave;
    CHECK((direction.sequence == odd.sequence && direction.write_count == odd.write_count));
    CHECK(direction.data_size == 5);
  }
}

TEST_CASE("a dead master's segment without a slave is made anew") {
  const ChannelName name;
  put(name, golden("eshm-v2-cpp-hello"));
  const Channel master(name.name(), as_original(Role::master));
  CHECK((master.created() && master.generation() == 1));
  CHECK(without_pids(file_bytes(name.path())) == without_pids(golden("eshm-v2-cpp-fresh-master")));
}

TEST_CASE("what we write is what the original wrote, byte for byte") {
  const ChannelName name;
  const auto matches = [&](const std::string& file) {
    return without_pids(file_bytes(name.path())) == without_pids(golden(file));
  };
  SECTION("one master") {
    Channel master(name.name(), as_original(Role::master));
    CHECK(matches("eshm-v2-cpp-fresh-master"));
    CHECK(matches("eshm-v2-py-fresh-master"));
    CHECK(write(master, hello("master", 0)) == WriteStatus::ok);
    CHECK(matches("eshm-v2-cpp-hello"));
    CHECK(matches("eshm-v2-py-hello"));
    Channel slave(name.name(), as_original(Role::slave));
    CHECK(write(slave, hello("slave", 0)) == WriteStatus::ok);
    CHECK(matches("eshm-v2-cpp-both"));
    CHECK(matches("eshm-v2-py-both"));
  }
  SECTION("a read") {
    Channel master(name.name(), as_original(Role::master));
    Channel slave(name.name(), as_original(Role::slave));
    CHECK(write(master, hello("master", 0)) == WriteStatus::ok);
    CHECK(write(master, hello("master", 1)) == WriteStatus::ok);
    const Got got = read(slave);
    CHECK((got.text == hello("master", 1) && got.conflated == 1));
    CHECK(matches("eshm-v2-cpp-read-once"));
  }
  SECTION("a takeover") {
    std::unique_ptr<Channel> slave;
    killed_master(name, [&](Channel& master) { (void)write(master, hello("master", 0)); });
    slave = std::make_unique<Channel>(name.name(), as_original(Role::slave));
    CHECK(write(*slave, hello("slave", 0)) == WriteStatus::ok);
    Channel second(name.name(), as_original(Role::master));
    CHECK(second.took_over());
    CHECK(matches("eshm-v2-cpp-gen2-takeover"));
    CHECK(write(second, hello("master", 1)) == WriteStatus::ok);
    CHECK(matches("eshm-v2-cpp-gen2-takeover-hello1"));
  }
  SECTION("protocol 3") {
    ChannelOptions options = as_original(Role::master);
    options.protocol = Protocol::v3;
    Channel master(name.name(), options);
    CHECK(write(master, hello("master", 0)) == WriteStatus::ok);
    CHECK(matches("synthetic-eshm-v3-hello"));
  }
  SECTION("leaving says so, and nothing else") {
    { const Channel master(name.name(), as_original(Role::master)); }
    std::string expected = golden("eshm-v2-cpp-fresh-master");
    expected[32] = 0;
    CHECK(without_pids(file_bytes(name.path())) == without_pids(expected));
  }
}
