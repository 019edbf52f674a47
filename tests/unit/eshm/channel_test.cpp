#include <sys/stat.h>

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "unit/eshm/channel_peer.hpp"
#include "unit/topic/error_text.hpp"

using namespace sluice;
using namespace sluice::eshm;
using namespace sluice::test;

namespace {

std::string opening(const std::string& name, const ChannelOptions& options) {
  return error_text([&] { return Channel(name, options); });
}

std::size_t entries(const char* directory) {
  const std::filesystem::directory_iterator all(directory);
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

}  // namespace

TEST_CASE("master and slave exchange messages of every size") {
  const std::size_t max_size = GENERATE(0U, 1U, 100U, 4096U, 1U << 20U);
  ChannelOptions options;
  options.max_size = max_size;
  options.protocol = GENERATE(Protocol::v2, Protocol::v3);
  const Waiting waiting = GENERATE(Waiting::wake, Waiting::poll);
  const ChannelName name;
  Channel master(name.name(), options);  // automatic: nobody is there
  Channel slave(name.name(), options);
  CHECK((master.side() == Side::master && master.created() && !master.took_over() && master.generation() == 1));
  CHECK((slave.side() == Side::slave && !slave.created() && slave.path() == name.path()));
  CHECK((slave.max_size() == max_size && slave.protocol() == options.protocol));
  CHECK(slave.waiting() == Waiting::wake);
  slave.set_waiting(waiting);
  master.set_waiting(waiting);
  for (const std::size_t size : {max_size, std::size_t{0}, max_size / 2}) {
    const std::string there(size, 't');
    const std::string back(size, 'b');
    REQUIRE(write(master, there) == WriteStatus::ok);
    const Got at_slave = read(slave, kWatchdog);
    CHECK((at_slave.status == ReadStatus::ok && at_slave.text == there));
    REQUIRE(write(slave, back) == WriteStatus::ok);
    const Got at_master = read(master, kWatchdog);
    CHECK((at_master.status == ReadStatus::ok && at_master.text == back));
  }
  CHECK(write(master, std::string(max_size + 1, 'x')) == WriteStatus::too_large);
  CHECK(read(slave).status == ReadStatus::nothing);
  CHECK(slave.stats().master_to_slave.write_count == 3);
  CHECK(slave.stats().master_to_slave.read_count == 3);
}

TEST_CASE("there is one living master and one living slave") {
  const ChannelName name;
  const Channel master(name.name(), as(Role::master));
  const std::string pid = std::to_string(::getpid());
  CHECK(opening(name.name(), as(Role::master)) == "channel '" + name.path() + "' has a living master already (pid " +
                                                      pid + "); there can be one: end it, or use another name");
  const Channel slave(name.name(), as(Role::slave));
  const std::string taken = "channel '" + name.path() + "' has a living slave already (pid " + pid +
                            "); there can be one: end it, or use another name, or a topic, which any number may "
                            "subscribe to";
  CHECK(opening(name.name(), as(Role::slave)) == taken);
  CHECK(opening(name.name(), as(Role::automatic)) == taken);
  CHECK((master.generation() == 1 && name.exists()));
}

TEST_CASE("a foreign master whose heartbeat moves is not pushed aside") {
  const ChannelName name;
  SegmentRequest request;
  request.name = name.name();
  const auto segment = create_segment(request, [](Segment&) {});
  segment->header().master_alive.store_relaxed(1);
  std::atomic<bool> stop{false};
  std::thread foreign([&] {
    while (!stop) {
      segment->header().master_heartbeat.fetch_add_relaxed(1);
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
  });
  CHECK(opening(name.name(), as(Role::master)) ==
        "channel '" + name.path() +
            "' has a living master already (pid 0, a program without Sluice); there can be one: end it, or use another "
            "name");
  stop = true;
  foreign.join();
  CHECK(segment->header().master_generation.load_relaxed() == 0);
  CHECK(segment->named());
}

TEST_CASE("a slave waits for its master, and says so when none comes") {
  const ChannelName name;
  ChannelOptions options = as(Role::slave);
  options.attach_timeout = std::chrono::nanoseconds{0};
  CHECK(opening(name.name(), options) ==
        "channel '" + name.path() + "' has no master; start it first: No such file or directory");
  options.attach_timeout = std::chrono::milliseconds{10};
  CHECK(opening(name.name(), options) == "channel '" + name.path() +
                                             "' has no master, and none came within the timeout; start it first: No "
                                             "such file or directory");
}

TEST_CASE("a slave that waited gets the master's first message, however late it comes") {
  const ChannelName name;
  std::atomic<bool> began{false};
  std::unique_ptr<Channel> slave;
  std::thread waiting([&] {
    began = true;
    ChannelOptions options = as(Role::slave);
    options.attach_timeout = kWatchdog;
    slave = std::make_unique<Channel>(name.name(), options);
  });
  REQUIRE(eventually([&] { return began.load(); }));
  std::this_thread::sleep_for(std::chrono::milliseconds{20});  // into the wait
  Channel master(name.name(), as(Role::master));
  CHECK(write(master, "first") == WriteStatus::ok);
  CHECK(write(master, "second") == WriteStatus::ok);
  waiting.join();
  const Got got = read(*slave, kWatchdog);
  CHECK((got.status == ReadStatus::ok && got.text == "second" && got.conflated == 1));
}

TEST_CASE("which message is the first that is read") {
  const ChannelName name;
  Channel master(name.name(), as(Role::master));
  CHECK(write(master, "before") == WriteStatus::ok);
  ChannelOptions options = as(Role::slave);
  options.first_read = GENERATE(FirstRead::after_open, FirstRead::after_reading, FirstRead::current);
  Channel slave(name.name(), options);
  if (options.first_read == FirstRead::current) {
    CHECK(read(slave).text == "before");
  } else if (options.first_read == FirstRead::after_open) {
    CHECK(write(master, "after opening") == WriteStatus::ok);
    const Got got = read(slave);
    CHECK((got.text == "after opening" && got.conflated == 0));
  } else {
    CHECK(write(master, "after opening") == WriteStatus::ok);
    CHECK(read(slave).status == ReadStatus::nothing);
  }
  CHECK(write(master, "after reading") == WriteStatus::ok);
  const Got got = read(slave);
  CHECK((got.status == ReadStatus::ok && got.text == "after reading" && got.conflated == 0));
}

TEST_CASE("a read waits for as long as it is told to") {
  const ChannelName name;
  Channel master(name.name(), as(Role::master));
  Channel slave(name.name(), as(Role::slave));
  const Waiting waiting = GENERATE(Waiting::wake, Waiting::poll);
  slave.set_waiting(waiting);
  CHECK(read(slave).status == ReadStatus::nothing);
  CHECK(read(slave, std::chrono::nanoseconds{-1}).status == ReadStatus::nothing);
  const auto begin = std::chrono::steady_clock::now();
  CHECK(read(slave, std::chrono::milliseconds{70}).status == ReadStatus::nothing);  // longer than one sleep
  CHECK(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds{70});
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds{120});
    (void)write(master, "late");
  });
  CHECK(read(slave, Channel::kForever).text == "late");
  later.join();
}

TEST_CASE("a buffer that is too small says how large it should be, and the message stays") {
  const ChannelName name;
  Channel master(name.name(), as(Role::master));
  Channel slave(name.name(), as(Role::slave));
  CHECK(write(master, "ten bytes.") == WriteStatus::ok);
  std::vector<std::byte> small(9);
  const ReadResult result = slave.read(small, kWatchdog);
  CHECK((result.status == ReadStatus::too_small && result.size == 10));
  CHECK(slave.read({}, kWatchdog).status == ReadStatus::too_small);
  CHECK(slave.stats().received == 0);
  CHECK(read(slave).text == "ten bytes.");
  CHECK(write(master, "") == WriteStatus::ok);
  const ReadResult empty = slave.read({}, kWatchdog);
  CHECK((empty.status == ReadStatus::ok && empty.size == 0));
}

TEST_CASE("statistics") {
  const ChannelName name;
  ChannelOptions options = as(Role::master);
  options.stale_threshold = std::chrono::milliseconds{200};
  Channel master(name.name(), options);
  Channel slave(name.name(), as(Role::slave));
  for (int k = 0; k < 3; ++k) CHECK(write(master, "x") == WriteStatus::ok);
  CHECK(read(slave).conflated == 2);
  CHECK(write(slave, "y") == WriteStatus::ok);
  const ChannelStats stats = slave.stats();
  CHECK((stats.master_alive && stats.slave_alive && stats.generation == 1 && stats.stale_threshold_ms == 200));
  const auto pid = static_cast<std::uint32_t>(::getpid());
  CHECK((stats.master_pid == pid && stats.slave_pid == pid));
  CHECK((stats.master_to_slave.write_count == 3 && stats.master_to_slave.read_count == 1));
  CHECK((stats.slave_to_master.write_count == 1 && stats.slave_to_master.read_count == 0));
  CHECK((stats.written == 1 && stats.received == 1 && stats.conflated == 2 && stats.interrupted == 0));
  CHECK((stats.reconnects == 0 && !stats.approximate && !stats.orphaned));
  CHECK(eventually([&] { return master.stats().slave_heartbeat > 20; }));
  const ChannelStats before = slave.stats();
  CHECK(eventually([&] { return master.stats().master_heartbeat > before.master_heartbeat + 20; }));
  CHECK(slave.stats().master_heartbeat_delta > 20);
  ::unlink(name.path().c_str());
  CHECK(slave.stats().orphaned);
}

TEST_CASE("the creator removes the name, unless it was told not to, or it is another file's") {
  const ChannelName name;
  ChannelOptions options = as(Role::master);
  options.auto_cleanup = GENERATE(true, false);
  auto master = std::make_unique<Channel>(name.name(), options);
  { const Channel slave(name.name(), as(Role::slave)); }
  CHECK(name.exists());  // it is not the slave's
  SECTION("its own") {
    master.reset();
    CHECK(name.exists() == !options.auto_cleanup);
  }
  SECTION("another one's") {
    ::unlink(name.path().c_str());
    const Channel another(name.name(), as(Role::master));
    master.reset();
    CHECK(name.exists());
  }
}

TEST_CASE("a new channel has the rights that were asked for") {
  const ChannelName name;
  ChannelOptions options;
  options.access.mode = 0660;
  const Channel master(name.name(), options);
  struct stat info {};
  REQUIRE(::stat(name.path().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0660);
}

TEST_CASE("a threshold of nothing is refused") {
  const ChannelName name;
  ChannelOptions options;
  options.stale_threshold = std::chrono::milliseconds{0};
  CHECK(opening(name.name(), options) ==
        "channel '" + name.name() + "': a stale threshold of 0 ms is none; give at least 1 ms");
  CHECK_FALSE(name.exists());
}

TEST_CASE("closed channels leave no descriptor, thread, mapping or file") {
  const ChannelName name;
  const auto use = [&] {
    for (int k = 0; k < 5; ++k) {
      Channel master(name.name(), as(Role::master));
      Channel slave(name.name(), as(Role::slave));
      CHECK(write(master, "x") == WriteStatus::ok);
      CHECK(read(slave, kWatchdog).status == ReadStatus::ok);
      CHECK(opening(name.name(), as(Role::master)) != "no error");
    }
  };
  use();
  const std::size_t descriptors = entries("/proc/self/fd");
  const std::size_t threads = entries("/proc/self/task");
  use();
  CHECK(entries("/proc/self/fd") == descriptors);
  CHECK(entries("/proc/self/task") == threads);
  CHECK_FALSE(name.exists());
  std::ifstream maps("/proc/self/maps");
  const std::string mapped{std::istreambuf_iterator<char>(maps), {}};
  CHECK(mapped.find(name.name()) == std::string::npos);
}

TEST_CASE("all channels of a process share one heartbeat thread") {
  const std::size_t before = entries("/proc/self/task");
  std::vector<std::unique_ptr<ChannelName>> names;
  std::vector<Channel> channels;
  for (int k = 0; k < 10; ++k) {
    names.push_back(std::make_unique<ChannelName>());
    channels.emplace_back(names.back()->name(), as(Role::master));
  }
  CHECK(entries("/proc/self/task") == before + 1);
  for (const Channel& channel : channels) CHECK(eventually([&] { return channel.stats().master_heartbeat > 5; }));
}

TEST_CASE("a forked child closes nothing that is its parent's") {
  const ChannelName name;
  auto master = std::make_unique<Channel>(name.name(), as(Role::master));
  Channel slave(name.name(), as(Role::slave));
  ChildProcess child([&] {
    master.reset();
    return 0;
  });
  CHECK(child.wait() == 0);
  CHECK(name.exists());
  CHECK(master->stats().master_alive);
  CHECK(opening(name.name(), as(Role::master)) != "no error");
  CHECK(write(*master, "still here") == WriteStatus::ok);
  CHECK(read(slave, kWatchdog).text == "still here");
  CHECK(eventually([&] { return slave.remote_state() == RemoteState::alive; }));
}

TEST_CASE("a forked child keeps no place of a parent that dies") {
  const ChannelName name;
  const ChannelName signal_name;  // exists while the grandchild lives
  ChildProcess parent([&] {
    const Channel master(name.name(), as(Role::master));
    ChildProcess grandchild([&] {
      std::this_thread::sleep_for(kWatchdog);
      return 0;
    });
    const pid_t pid = grandchild.pid();
    std::ofstream(signal_name.path()) << pid;
    std::this_thread::sleep_for(kWatchdog);
    return 0;
  });
  pid_t grandchild = 0;
  REQUIRE(eventually([&] { return static_cast<bool>(std::ifstream(signal_name.path()) >> grandchild); }));
  parent.kill(SIGKILL);
  (void)parent.wait();
  CHECK(opening(name.name(), as(Role::master)) == "no error");
  ::kill(grandchild, SIGKILL);
}
