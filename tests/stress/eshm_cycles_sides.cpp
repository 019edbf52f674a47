#include "stress/eshm_cycles.hpp"

#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include <sluice/shm/deadline.hpp>

#include "support/child_process.hpp"

namespace sluice::stress {

namespace {

using eshm::Channel;
using eshm::Role;

constexpr std::size_t kMaxSize = 1024;
constexpr std::uint32_t kSurvivor = UINT32_MAX;
constexpr std::chrono::microseconds kPause{200};

eshm::ChannelOptions options_for(Role role) {
  eshm::ChannelOptions options;  // with the original's defaults, but patient
  options.role = role;
  options.on_disconnect = eshm::OnDisconnect::never;
  options.max_size = kMaxSize;
  options.attach_timeout = std::chrono::seconds{60};
  return options;
}

bool is_set(const Word& word) { return word.load_acquire() != 0; }
std::uint64_t now() { return static_cast<std::uint64_t>(shm::monotonic_ns()); }

bool write(Channel& channel, std::mt19937_64& random, std::uint32_t writer, std::uint64_t number) {
  std::array<std::byte, kMaxSize> message;
  const auto used = std::span(message).first(sizeof(Head) + random() % (kMaxSize - sizeof(Head)));
  compose(used, writer, number);
  return channel.write(used) == eshm::WriteStatus::ok;
}

/// Reads messages, checks each, and that the numbers of a writer rise and writers do not come back.
class Checked {
 public:
  Checked(Channel& channel, Cycles& cycles) : channel_(channel), cycles_(cycles) {}

  /// The writer of the next message, if one came.
  std::optional<std::uint32_t> read(std::chrono::nanoseconds timeout) {
    const eshm::ReadResult result = channel_.read(buffer_, timeout);
    if (result.status != eshm::ReadStatus::ok) return std::nullopt;
    const auto message = std::span(buffer_).first(result.size);
    Head head{};
    std::memcpy(&head, message.data(), std::min(sizeof head, result.size));
    if (head.length != result.size || head.checksum != checksum(message)) {
      cycles_.torn.fetch_add_relaxed(1);
      return std::nullopt;
    }
    const bool rises = head.writer == writer_ ? head.sequence >= next_ : head.writer > writer_ || next_ == 0;
    if (!rises) cycles_.disorder.fetch_add_relaxed(1);
    writer_ = head.writer;
    next_ = head.sequence + 1;
    return head.writer;
  }

 private:
  Channel& channel_;
  Cycles& cycles_;
  std::array<std::byte, kMaxSize> buffer_{};
  std::uint32_t writer_ = 0;
  std::uint64_t next_ = 0;
};

std::uint64_t descriptors() {
  std::uint64_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

std::uint64_t mappings_of(const std::string& path) {
  std::ifstream maps("/proc/self/maps");
  std::uint64_t count = 0;
  for (std::string line; std::getline(maps, line);) count += line.find(path) != std::string::npos ? 1 : 0;
  return count;
}

eshm::ChannelCallbacks callbacks(Cycles& cycles) {
  const auto back = [&cycles] { cycles.back_ns.store_release(now()); };
  return {back, [&cycles] { cycles.noticed_ns.store_release(now()); }, back,
          [&cycles](std::uint32_t generation) { cycles.generation.store_release(generation); }};
}

}  // namespace

std::string name_of(CycleWay way) {
  switch (way) {
    case CycleWay::takeover: return "takeover";
    case CycleWay::new_segment: return "new_segment";
    case CycleWay::slave: return "slave";
  }
  return "?";
}

int live(const std::string& name, CycleWay way, Cycles& cycles, std::size_t index) {
  Life& life = cycles.lives[index];
  life.began.store_release(now());
  Channel channel(name, options_for(way == CycleWay::slave ? Role::slave : Role::master));
  // What is written before the survivor has opened its side is not in its books.
  if (!test::eventually([&] { return is_set(cycles.survivor_open); }, std::chrono::seconds{60})) return 1;
  std::mt19937_64 random(index);
  Checked reader(channel, cycles);
  for (std::uint64_t number = 0; !is_set(cycles.stop_life);) {
    life.begun.store_release(number + 1);
    if (write(channel, random, static_cast<std::uint32_t>(index), number)) {
      life.completed.store_release(++number);
    } else {
      life.begun.store_release(number);
    }
    if (reader.read(kPause)) life.received.fetch_add_relaxed(1);
  }
  return 0;
}

int survive(const std::string& name, CycleWay way, Cycles& cycles) {
  Channel channel(name, options_for(way == CycleWay::slave ? Role::master : Role::slave), callbacks(cycles));
  cycles.survivor_open.store_release(1);
  std::atomic<bool> done{false};
  std::thread writer([&] {
    std::mt19937_64 random(kSurvivor);
    for (std::uint64_t number = 0; !done;) {
      if (write(channel, random, kSurvivor, number)) ++number;
      std::this_thread::sleep_for(kPause);
    }
  });
  Checked reader(channel, cycles);
  std::uint64_t descriptors_before = 0;
  while (!is_set(cycles.stop_survivor)) {
    const auto from = reader.read(std::chrono::seconds{1});
    if (!from || *from >= kMostLives || is_set(cycles.lives[*from].first_ns)) continue;
    cycles.lives[*from].first_ns.store_release(now());
    if (descriptors_before == 0) descriptors_before = descriptors();
  }
  done = true;
  writer.join();
  while (reader.read(std::chrono::milliseconds{5})) {
  }
  const eshm::ChannelStats stats = channel.stats();
  cycles.received.store_release(stats.received);
  cycles.conflated.store_release(stats.conflated);
  cycles.descriptors.store_release(descriptors() - descriptors_before);
  cycles.mappings.store_release(mappings_of(channel.path()));
  return stats.approximate ? 1 : 0;
}

}  // namespace sluice::stress
