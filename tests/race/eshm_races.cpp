#include "race/scenarios.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include <sluice/eshm/channel.hpp>
#include <sluice/shm/unvalidated_copy.hpp>

#include "race/race_support.hpp"

namespace sluice::test {

namespace {

using eshm::Channel;
using eshm::ChannelOptions;
using eshm::Role;

/// run.sh removes it when a race ends the program on the spot.
std::string channel_name() {
  const char* const directory = std::getenv("SLUICE_TEST_DIRECTORY");
  if (directory == nullptr) return "sluice-race-" + std::to_string(::getpid());
  return std::filesystem::path(directory).filename().string();
}

ChannelOptions options_of(Role role) {
  ChannelOptions options;
  options.role = role;
  options.attach_timeout = std::chrono::seconds{30};
  options.reconnect_interval = std::chrono::milliseconds{1};
  options.on_disconnect = eshm::OnDisconnect::never;
  return options;
}

void write_number(Channel& channel, std::uint64_t number) {
  const Message message(number);
  (void)channel.write(std::as_bytes(std::span(&message, 1)));
}

/// The number in the next message; nothing within the timeout.
std::optional<std::uint64_t> read_number(Channel& channel, std::chrono::nanoseconds timeout) {
  alignas(Message) std::array<std::byte, sizeof(Message)> buffer;
  const auto result = channel.read(buffer, timeout);
  if (result.status != eshm::ReadStatus::ok) return std::nullopt;
  TakenMessage taken;
  taken.data = buffer.data();
  taken.size = result.size;
  look_at(taken);
  std::uint64_t number = 0;
  std::memcpy(&number, buffer.data(), sizeof number);
  return number;
}

}  // namespace

/// In turns, so that nobody writes what is being read, and every copy is watched.
void channel_in_turns() {
  constexpr std::uint64_t kTurns = 3'000;
  shm::watch_unvalidated_copies = true;
  Channel master(channel_name(), options_of(Role::master));
  Channel slave(channel_name(), options_of(Role::slave));
  Crew crew;
  crew.add([&] {
    for (std::uint64_t i = 0; i < kTurns; ++i) {
      write_number(master, i);
      require(read_number(master, Channel::kForever) == i, "the answer is the question's");
    }
  });
  crew.add([&] {
    for (std::uint64_t i = 0; i < kTurns; ++i) {
      const auto number = read_number(slave, Channel::kForever);
      require(number == i, "each message comes once");
      write_number(slave, number.value_or(0));
    }
  });
  crew.run();
}

/// A writer at full speed, a reader that misses most of it, and somebody who asks for statistics.
void channel_overwritten() {
  constexpr std::uint64_t kMessages = 100'000;
  Channel master(channel_name(), options_of(Role::master));
  Channel slave(channel_name(), options_of(Role::slave));
  Signal done;
  Crew crew;
  crew.add([&] {
    for (std::uint64_t i = 0; i < kMessages; ++i) write_number(master, i);
    done.set(1);
  });
  crew.add([&] {
    std::uint64_t last = 0;
    while (last != kMessages - 1) {
      if (const auto number = read_number(slave, std::chrono::milliseconds{1})) last = *number;
    }
    const auto stats = slave.stats();
    require(stats.received + stats.conflated == kMessages, "received + conflated = completed");
    done.set(2);
  });
  crew.add([&] {
    while (done.value() < 2) {
      require(slave.stats().received <= kMessages, "statistics");
      (void)slave.remote_state();
      std::this_thread::yield();
    }
  });
  crew.run();
}

/// Masters come and go, each with a new segment, under a slave that reads, writes and asks.
void channel_replaced() {
  constexpr std::uint64_t kMasters = 20;
  Signal done;
  auto first = std::make_unique<Channel>(channel_name(), options_of(Role::master));
  Channel slave(channel_name(), options_of(Role::slave));
  Crew crew;
  crew.add([&] {
    auto master = std::move(first);
    for (std::uint64_t k = 0; k < kMasters; ++k) {
      if (!master) master = std::make_unique<Channel>(channel_name(), options_of(Role::master));
      write_number(*master, k);
      while (read_number(*master, std::chrono::milliseconds{1}) != k) {
      }
      master.reset();
    }
    done.set(1);
  });
  crew.add([&] {
    std::uint64_t seen = 0;
    while (done.value() == 0) {
      if (const auto number = read_number(slave, std::chrono::milliseconds{1})) seen = *number;
      write_number(slave, seen);
    }
  });
  crew.add([&] {
    while (done.value() == 0) {
      (void)slave.stats();
      (void)slave.last_problem();
      std::this_thread::yield();
    }
  });
  crew.run();
}

}  // namespace sluice::test
