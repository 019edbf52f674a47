#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "unit/eshm/channel_peer.hpp"
#include "unit/topic/error_text.hpp"

using namespace sluice;
using namespace sluice::eshm;
using namespace sluice::test;

namespace {

ino_t inode(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

bool becomes(const Channel& channel, RemoteState state) {
  return eventually([&] { return channel.remote_state() == state; });
}

bool becomes(const Channel& channel, Connection connection) {
  return eventually([&] { return channel.connection() == connection; });
}

}  // namespace

TEST_CASE("a killed master's segment is taken over, and the slave goes on in it") {
  const ChannelName name;
  Events events;
  ChannelPeer first(name.name(), as(Role::master), "first");
  Channel slave(name.name(), patient_slave(), events.callbacks());
  first.write(2);
  REQUIRE(events.come({"connect"}));
  CHECK((slave.remote_alive() && slave.connection() == Connection::open));
  const ino_t file = inode(name.path());
  first.kill();
  REQUIRE(becomes(slave, Connection::reconnecting));
  CHECK((slave.remote_state() == RemoteState::dead && !slave.remote_alive()));
  CHECK(write(slave, "to nobody") == WriteStatus::disconnected);
  CHECK(read(slave).text == "first 2");  // written before it died
  CHECK(read(slave).status == ReadStatus::nothing);

  ChannelPeer second(name.name(), as(Role::master), "second");
  CHECK(second.took_over());
  second.write();
  const Got got = read(slave, kWatchdog);
  CHECK((got.text == "second 1" && got.conflated == 0));
  CHECK(inode(name.path()) == file);
  REQUIRE(becomes(slave, Connection::open));
  CHECK(events.come({"connect", "stale", "takeover 2", "reconnect"}));
  CHECK((slave.generation() == 2 && slave.stats().reconnects == 1));
  CHECK(slave.stats().received + slave.stats().conflated == 3);
  CHECK(write(slave, "to the second") == WriteStatus::ok);

  CHECK(second.leave() == 0);
  CHECK(name.exists());  // who took it over does not remove it
  ChannelPeer third(name.name(), as(Role::master), "third");
  CHECK(third.took_over());
  third.write();
  CHECK(read(slave, kWatchdog).text == "third 1");
  CHECK(slave.generation() == 3);
}

TEST_CASE("a master that left in order makes a new segment when it comes back, and nothing of it is missed") {
  const ChannelName name;
  Events events;
  auto first = std::make_unique<ChannelPeer>(name.name(), as(Role::master), "first");
  Channel slave(name.name(), patient_slave(), events.callbacks());
  REQUIRE(events.come({"connect"}));
  first->write(3);
  CHECK(read(slave, kWatchdog).text == "first 3");
  first->write(2);
  CHECK(first->leave() == 0);
  CHECK_FALSE(name.exists());
  REQUIRE(becomes(slave, Connection::reconnecting));
  CHECK(slave.stats().orphaned);
  CHECK(read(slave).text == "first 5");

  ChannelPeer second(name.name(), as(Role::master), "second");
  CHECK_FALSE(second.took_over());
  second.write(4);  // perhaps before the slave is there
  std::uint64_t conflated = 0;
  std::string last;
  REQUIRE(eventually([&] {
    const Got got = read(slave, std::chrono::milliseconds{10});
    if (got.status == ReadStatus::ok) last = got.text;
    conflated += got.conflated;
    return last == "second 4";
  }));
  const ChannelStats stats = slave.stats();
  CHECK(stats.received + stats.conflated == 9);
  CHECK((stats.generation == 1 && stats.reconnects == 1 && !stats.orphaned));
  CHECK(events.come({"connect", "stale", "reconnect"}));
  CHECK(write(slave, "hello, second") == WriteStatus::ok);
  CHECK(slave.stats().slave_to_master.write_count == 1);
}

TEST_CASE("a slave that finds a segment that its master has left looks for the next one") {
  const ChannelName name;
  ChannelOptions options = as(Role::master);
  options.auto_cleanup = false;
  { const Channel master(name.name(), options); }
  Channel slave(name.name(), patient_slave());
  REQUIRE(becomes(slave, Connection::reconnecting));
  if (GENERATE(true, false)) ::unlink(name.path().c_str());
  ChannelPeer next(name.name(), options);
  next.write();
  CHECK(read(slave, kWatchdog).text == "message 1");
  CHECK(becomes(slave, Connection::open));
}

TEST_CASE("a reader that sleeps without end wakes up in the new segment") {
  const ChannelName name;
  auto first = std::make_unique<ChannelPeer>(name.name(), as(Role::master), "first");
  Channel slave(name.name(), patient_slave());
  slave.set_waiting(GENERATE(Waiting::wake, Waiting::poll));
  Got got;
  std::thread reader([&] { got = read(slave, Channel::kForever); });
  CHECK(first->leave() == 0);
  ChannelPeer second(name.name(), as(Role::master), "second");
  second.write();
  reader.join();
  CHECK((got.status == ReadStatus::ok && got.text == "second 1"));
}

TEST_CASE("a dead slave's place is free, and the master goes on") {
  const ChannelName name;
  Events events;
  Channel master(name.name(), as(Role::master), events.callbacks());
  auto slave = std::make_unique<ChannelPeer>(name.name(), as(Role::slave), "first");
  slave->write();
  CHECK(read(master, kWatchdog).text == "first 1");
  REQUIRE(events.come({"connect"}));
  slave->kill();
  REQUIRE(becomes(master, RemoteState::dead));
  CHECK(master.connection() == Connection::open);
  CHECK(write(master, "somebody will read it") == WriteStatus::ok);
  slave = std::make_unique<ChannelPeer>(name.name(), as(Role::slave), "second");
  slave->write();
  const Got got = read(master, kWatchdog);
  CHECK((got.text == "second 1" && got.conflated == 0));
  CHECK(events.come({"connect", "stale", "reconnect"}));
  CHECK(master.generation() == 1);
  CHECK(slave->leave() == 0);
  REQUIRE(becomes(master, RemoteState::dead));
}

TEST_CASE("a stopped master is stale, not dead, and its place is not free") {
  const ChannelName name;
  ChannelPeer master(name.name(), as(Role::master));
  Channel slave(name.name(), patient_slave());
  REQUIRE(becomes(slave, RemoteState::alive));
  master.signal(SIGSTOP);
  REQUIRE(becomes(slave, RemoteState::stale));
  REQUIRE(becomes(slave, Connection::reconnecting));
  CHECK(error_text([&] { return Channel(name.name(), as(Role::master)); }) != "no error");
  master.signal(SIGCONT);
  REQUIRE(becomes(slave, RemoteState::alive));
  CHECK(becomes(slave, Connection::open));
  CHECK((slave.generation() == 1 && slave.stats().reconnects == 1));
  master.write();
  CHECK(read(slave, kWatchdog).text == "message 1");
}

TEST_CASE("immediately: a read says that the master is gone, and stays with it") {
  const ChannelName name;
  auto master = std::make_unique<ChannelPeer>(name.name(), as(Role::master));
  ChannelOptions options = as(Role::slave);
  options.on_disconnect = OnDisconnect::immediately;
  Channel slave(name.name(), options);
  REQUIRE(becomes(slave, RemoteState::alive));
  master->write();
  master->kill();
  Got got = read(slave, kWatchdog);
  CHECK((got.status == ReadStatus::ok && got.text == "message 1"));  // what came before is not lost
  CHECK(read(slave, Channel::kForever).status == ReadStatus::stale);
  CHECK(slave.connection() == Connection::open);
  master = std::make_unique<ChannelPeer>(name.name(), as(Role::master));
  CHECK(read(slave, Channel::kForever).status == ReadStatus::stale);
}

TEST_CASE("a slave gives up after its attempts, or its time") {
  const ChannelName name;
  auto master = std::make_unique<ChannelPeer>(name.name(), as(Role::master));
  ChannelOptions options = patient_slave();
  const bool by_attempts = GENERATE(true, false);
  if (by_attempts) {
    options.max_reconnect_attempts = 3;
  } else {
    options.reconnect_timeout = std::chrono::milliseconds{20};
  }
  Channel slave(name.name(), options);
  REQUIRE(becomes(slave, RemoteState::alive));
  master->write();
  master->kill();
  REQUIRE(becomes(slave, Connection::gave_up));
  CHECK(read(slave, Channel::kForever).text == "message 1");  // it was here before
  CHECK(read(slave, Channel::kForever).status == ReadStatus::gave_up);
  CHECK(read(slave).status == ReadStatus::gave_up);
  CHECK(write(slave, "x") == WriteStatus::disconnected);
  master = std::make_unique<ChannelPeer>(name.name(), as(Role::master));
  CHECK(slave.connection() == Connection::gave_up);
}

TEST_CASE("never: a slave does not give up, whatever the options say") {
  const ChannelName name;
  auto master = std::make_unique<ChannelPeer>(name.name(), as(Role::master), "first");
  ChannelOptions options = patient_slave();
  options.on_disconnect = OnDisconnect::never;
  options.max_reconnect_attempts = 1;
  options.reconnect_timeout = std::chrono::milliseconds{1};
  Channel slave(name.name(), options);
  REQUIRE(becomes(slave, RemoteState::alive));
  CHECK(master->leave() == 0);
  REQUIRE(becomes(slave, Connection::reconnecting));
  std::this_thread::sleep_for(std::chrono::milliseconds{50});
  CHECK(slave.connection() == Connection::reconnecting);
  master = std::make_unique<ChannelPeer>(name.name(), as(Role::master), "second");
  master->write();
  CHECK(read(slave, kWatchdog).text == "second 1");
}

TEST_CASE("a slave says why it cannot reconnect") {
  const ChannelName name;
  auto master = std::make_unique<ChannelPeer>(name.name(), as(Role::master));
  Channel slave(name.name(), patient_slave());
  REQUIRE(becomes(slave, RemoteState::alive));
  CHECK(slave.last_problem().empty());
  CHECK(master->leave() == 0);
  ChannelOptions larger = as(Role::master);
  larger.max_size = 8192;
  {
    ChannelPeer another(name.name(), larger);
    CHECK(eventually([&] { return !slave.last_problem().empty(); }));
    CHECK_THAT(slave.last_problem(), Catch::Matchers::Contains("has 16768 bytes") &&
                                         Catch::Matchers::Contains("made for a max_size of 8185 to 8248"));
    CHECK(another.leave() == 0);
  }
  master = std::make_unique<ChannelPeer>(name.name(), as(Role::master));
  CHECK(becomes(slave, Connection::open));
}

TEST_CASE("a master that finds a dead segment that nobody uses makes a new one") {
  const ChannelName name;
  ChannelPeer dead(name.name(), as(Role::master));
  dead.write();
  const ino_t before = inode(name.path());
  dead.kill();
  Channel master(name.name(), as(Role::master));
  CHECK((master.created() && !master.took_over() && master.generation() == 1));
  CHECK(inode(name.path()) != before);
}

TEST_CASE("a master replaces what is damaged or of another size, if nobody lives in it") {
  const ChannelName name;
  ChannelOptions options = as(Role::master);
  options.max_size = 8192;
  {
    ChannelPeer other(name.name(), options);
    CHECK(error_text([&] { return Channel(name.name(), as(Role::master)); }) != "no error");
    other.kill();
  }
  const Channel master(name.name(), as(Role::master));
  CHECK(master.created());
}

TEST_CASE("automatic: a slave even of a dead master, unless it may be promoted") {
  const ChannelName name;
  ChannelPeer first(name.name(), as(Role::master));
  ChannelOptions options;
  options.promote = GENERATE(false, true);
  {
    const Channel beside(name.name(), options);
    CHECK(beside.side() == Side::slave);  // the master lives
  }
  first.kill();
  const Channel channel(name.name(), options);
  CHECK(channel.side() == (options.promote ? Side::master : Side::slave));
}

TEST_CASE("a promoted master takes over a segment that a slave waits in") {
  const ChannelName name;
  ChannelPeer first(name.name(), as(Role::master));
  Channel slave(name.name(), patient_slave());
  REQUIRE(becomes(slave, RemoteState::alive));
  first.kill();
  ChannelOptions options;
  options.promote = true;
  ChannelPeer second(name.name(), options, "promoted");
  CHECK((second.is_master() && second.took_over()));
  second.write();
  CHECK(read(slave, kWatchdog).text == "promoted 1");
}

TEST_CASE("without heartbeat nobody beats or watches") {
  const ChannelName name;
  ChannelOptions options = as(Role::master);
  options.heartbeat = false;
  Channel master(name.name(), options);
  options.role = Role::slave;
  Channel slave(name.name(), options);
  CHECK(write(master, "x") == WriteStatus::ok);
  CHECK(read(slave, std::chrono::milliseconds{20}).text == "x");
  CHECK(read(slave, std::chrono::milliseconds{20}).status == ReadStatus::nothing);
  CHECK((slave.stats().master_heartbeat == 0 && slave.remote_state() == RemoteState::unknown && slave.remote_alive()));
  master.beat();
  slave.beat();
  CHECK((slave.stats().master_heartbeat == 1 && slave.stats().slave_heartbeat == 1));
}

TEST_CASE("a side that nobody took is not alive after the threshold") {
  const ChannelName name;
  ChannelOptions options = as(Role::master);
  options.stale_threshold = std::chrono::milliseconds{60};
  Events events;
  const Channel master(name.name(), options, events.callbacks());
  CHECK(eventually([&] { return !master.remote_alive(); }));
  CHECK(master.remote_state() == RemoteState::unknown);
  CHECK(events.all().empty());
}
