#include <fcntl.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <sluice/eshm/inspect.hpp>

#include "unit/eshm/channel_peer.hpp"
#include "unit/topic/error_text.hpp"

using namespace sluice;
using namespace sluice::eshm;
using namespace sluice::test;

namespace {

std::string file_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// As list_channels has it.
ChannelInfo listed(const ChannelName& name) {
  for (const ChannelInfo& info : list_channels(std::chrono::milliseconds{20})) {
    if (info.path == name.path()) return info;
  }
  return {};
}

}  // namespace

TEST_CASE("a channel is seen from outside as it is") {
  const ChannelName name;
  ChannelPeer master(name.name(), as(Role::master));
  Channel slave(name.name(), as(Role::slave));
  master.write(3);
  CHECK(read(slave).conflated == 2);
  const ChannelInfo info = inspect_channel(name.name());
  CHECK((info.path == name.path() && info.problem.empty() && info.file_size == 8576 && info.mode == 0600));
  CHECK((info.uid == ::geteuid() && info.version == 3 && info.max_sizes.text() == "4089 to 4152"));
  CHECK((info.stale_threshold == 100 && info.generation == 1));
  CHECK((info.master.state == RemoteState::alive && info.master.ours && info.master.heartbeat > 0));
  CHECK(info.master.pid == static_cast<std::uint32_t>(master.pid()));
  CHECK((info.slave.state == RemoteState::alive && info.slave.ours));
  const DirectionInfo& there = info.master_to_slave;
  CHECK((there.sequence == 6 && there.data_size == 9 && there.write_count == 3 && there.read_count == 1));
  CHECK(info.slave_to_master.write_count == 0);

  master.kill();
  CHECK(inspect_channel(name.name()).master.state == RemoteState::stale);
  const Channel heir(name.name(), as(Role::master));
  CHECK(inspect_channel(name.name()).generation == 2);
}

TEST_CASE("looking changes nothing, and needs no right to write") {
  const ChannelName name;
  SegmentRequest request;
  request.name = name.name();
  (void)create_segment(request, [](Segment&) {});
  const std::string bytes = file_bytes(name.path());
  CHECK(inspect_channel(name.name()).master.state == RemoteState::unknown);
  CHECK(listed(name).version == 3);
  CHECK(file_bytes(name.path()) == bytes);
  if (::geteuid() != 0) return;
  REQUIRE(::chmod(name.path().c_str(), 0644) == 0);
  ChildProcess stranger([&] {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) return 1;
    return inspect_channel(name.name()).problem.empty() ? 0 : 2;
  });
  CHECK(stranger.wait() == 0);
  REQUIRE(::chmod(name.path().c_str(), 0600) == 0);
  ChildProcess locked_out([&] {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) return 1;
    return inspect_channel(name.name()).problem == "may not be read by this user" ? 0 : 2;
  });
  CHECK(locked_out.wait() == 0);
}

TEST_CASE("what is no channel is listed with what is wrong") {
  const ChannelName name;
  std::ofstream(name.path()) << "short";
  CHECK(listed(name).problem == "too short for a channel");
  std::ofstream(name.path()) << std::string(8576, 'x');
  CHECK(listed(name).problem == "no ESHM segment (wrong magic)");
  std::string bytes(8576, '\0');
  const std::uint32_t words[2] = {kMagic, 9};
  std::memcpy(bytes.data(), words, sizeof words);
  std::ofstream(name.path()) << bytes;
  CHECK(listed(name).problem == "of unknown protocol version 9");
  bytes[4] = 2;
  std::ofstream(name.path()) << bytes.substr(0, 8575);
  CHECK(listed(name).problem == "no channel is that long; truncated or overwritten");
  std::filesystem::remove(name.path());
  REQUIRE(::mkfifo(name.path().c_str(), 0600) == 0);
  CHECK(listed(name).problem == "not a regular file");
}

TEST_CASE("a channel that does not exist is refused with the nearest one") {
  const ChannelName name;
  const Channel master(name.name(), as(Role::master));
  const std::string wrong = name.name() + "x";
  CHECK(error_text([&] { return inspect_channel(wrong); }) == "there is no channel '" + wrong + "' ('/dev/shm/eshm_" +
                                                                  wrong + "' does not exist); did you mean '" +
                                                                  name.name() + "'?");
}

TEST_CASE("a dead channel is removed, and nothing else") {
  const ChannelName name;
  CHECK_FALSE(remove_dead_channel(name.path()));  // there is none
  {
    const Channel master(name.name(), as(Role::master));
    CHECK_FALSE(remove_dead_channel(name.path()));
  }
  ChannelOptions options = as(Role::master);
  options.auto_cleanup = false;
  {
    ChannelPeer master(name.name(), options);
    Channel slave(name.name(), as(Role::slave));
    master.kill();
    CHECK_FALSE(remove_dead_channel(name.path()));  // a slave waits
  }
  CHECK(remove_dead_channel(name.path()));
  CHECK_FALSE(name.exists());
  std::ofstream(name.path()) << std::string(8576, 'x');
  CHECK_FALSE(remove_dead_channel(name.path()));  // whatever that is, it is none
  CHECK(name.exists());
}

TEST_CASE("a foreign channel whose heartbeat moves is not removed") {
  const ChannelName name;
  SegmentRequest request;
  request.name = name.name();
  auto segment = create_segment(request, [](Segment&) {});
  segment->header().slave_alive.store_relaxed(1);
  std::atomic<bool> stop{false};
  std::thread foreign([&] {
    while (!stop) {
      segment->header().slave_heartbeat.fetch_add_relaxed(1);
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
  });
  CHECK_FALSE(remove_dead_channel(name.path()));
  stop = true;
  foreign.join();
  CHECK(remove_dead_channel(name.path()));
}

TEST_CASE("what a creator left that died before the magic is removed when it is old enough") {
  const ChannelName name;
  const std::size_t size = GENERATE(0U, 100U, 8576U);
  std::ofstream(name.path()) << std::string(size, '\0');
  CHECK_FALSE(remove_dead_channel(name.path()));  // it may be at it
  const timespec old[2] = {{1, 0}, {1, 0}};
  REQUIRE(::utimensat(AT_FDCWD, name.path().c_str(), old, 0) == 0);
  SECTION("by a sweeper") { CHECK(remove_dead_channel(name.path())); }
  SECTION("by a master") {
    ChannelOptions options = as(Role::master);
    const Channel master(name.name(), options);
    CHECK(master.created());
  }
}
