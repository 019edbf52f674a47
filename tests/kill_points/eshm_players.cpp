#include "kill_points/eshm_players.hpp"

#include <chrono>
#include <cstring>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "kill_points/topic_case.hpp"

namespace sluice::kill_points {

namespace {

using eshm::Channel;
using eshm::Side;
using test::eventually;

constexpr std::size_t kMaxSize = 2048;
constexpr int kMessagesPerVisit = 20;
constexpr std::chrono::milliseconds kReadTimeout{5};

eshm::ChannelOptions options_for(Side side) {
  eshm::ChannelOptions options;
  options.role = side == Side::master ? eshm::Role::master : eshm::Role::slave;
  options.on_disconnect = eshm::OnDisconnect::never;
  options.reconnect_interval = std::chrono::milliseconds{2};
  options.max_size = kMaxSize;
  options.attach_timeout = kWatchdog;
  return options;
}

/// Writes and reads checksummed messages.
class Player {
 public:
  Player(const EshmPlace& place, Side side)
      : shared_(place.shared), channel_(std::make_unique<Channel>(place.name, options_for(side))) {}

  /// Whether it was written; a slave without a master cannot.
  bool write(std::uint32_t writer, std::uint64_t number) {
    std::vector<std::byte> message(sizeof(stress::Head) + random_() % (kMaxSize - sizeof(stress::Head)));
    stress::compose(message, writer, number);
    return channel_->write(message) == eshm::WriteStatus::ok;
  }

  /// Whether there was a message.
  bool read(std::chrono::nanoseconds timeout) {
    const eshm::ReadResult result = channel_->read(buffer_, timeout);
    if (result.status != eshm::ReadStatus::ok) return false;
    const auto message = std::span(buffer_).first(result.size);
    stress::Head head{};
    std::memcpy(&head, message.data(), std::min(sizeof head, result.size));
    const bool whole = head.length == result.size && head.checksum == stress::checksum(message);
    if (!whole) shared_.torn.fetch_add_relaxed(1);
    return true;
  }

  [[nodiscard]] Channel& channel() { return *channel_; }

 private:
  EshmShared& shared_;
  std::unique_ptr<Channel> channel_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(kMaxSize);
  std::mt19937_64 random_{1};
};

bool is_set(const stress::Word& word) { return word.load_acquire() != 0; }

/// The partner read something in this segment, so it is not on its way from the one before.
bool partner_reads_here(Player& player, Side side) {
  const eshm::ChannelStats stats = player.channel().stats();
  return (side == Side::master ? stats.master_to_slave : stats.slave_to_master).read_count != 0;
}

void write_logged(Player& player, EshmLog& log, std::uint32_t writer) {
  const std::uint64_t number = log.begun.fetch_add_acq_rel(1);
  if (player.write(writer, number)) {
    log.completed.fetch_add_acq_rel(1);
  } else {
    log.begun.store_release(number);
  }
}

}  // namespace

int visit_channel(const EshmPlace& place, Side side, std::size_t log, int visits, bool patient) {
  for (int visit = 0; visit < visits && !is_set(place.shared.stop_victim); ++visit) {
    Player player(place, side);
    const auto partner_or_end = [&] { return is_set(place.shared.partner_open) || is_set(place.shared.stop_victim); };
    if (patient && !eventually(partner_or_end, kWatchdog)) return 9;
    if (!is_set(place.shared.partner_open)) continue;
    const bool met = eventually(
        [&] { return player.channel().remote_state() == eshm::RemoteState::alive || is_set(place.shared.stop_victim); },
        kWatchdog);
    if (!met) return 10;
    for (int k = 0; k < kMessagesPerVisit; ++k) {
      write_logged(player, place.shared.logs[log], static_cast<std::uint32_t>(log));
      (void)player.read(std::chrono::nanoseconds{k % 4 == 0 ? 1'000'000 : 0});
    }
    if (place.shared.logs[log].completed.load_acquire() == 0) continue;
    if (!eventually([&] { return partner_reads_here(player, side); }, kWatchdog)) return 11;
  }
  return 0;
}

int wait_in_channel(const EshmPlace& place) {
  const Player player(place, Side::master);
  return eventually([&] { return is_set(place.shared.stop_victim); }, 2 * kWatchdog) ? 0 : 13;
}

int stay_in_channel(const EshmPlace& place, Side side) {
  std::unique_ptr<Player> opened;
  const bool came = eventually(
      [&] {
        try {
          opened = std::make_unique<Player>(place, side);
        } catch (const Error&) {
          return false;  // one of another size, which a master has not replaced yet
        }
        return true;
      },
      kWatchdog);
  if (!came) return 14;
  Player& player = *opened;
  place.shared.partner_open.store_release(1);
  for (std::uint64_t k = 0; !is_set(place.shared.stop_partner); ++k) {
    (void)player.write(99, k);
    (void)player.read(kReadTimeout);
    place.shared.progress.fetch_add_acq_rel(1);
  }
  while (player.read(kReadTimeout)) {
  }
  const eshm::ChannelStats stats = player.channel().stats();
  place.shared.received.store_release(stats.received);
  place.shared.conflated.store_release(stats.conflated);
  return stats.approximate ? 12 : 0;
}

int partner_that_visits(const EshmPlace& place) {
  for (std::uint64_t visit = 0; !is_set(place.shared.stop_partner); ++visit) {
    Player player(place, Side::master);
    (void)eventually([&] { return player.channel().remote_state() == eshm::RemoteState::alive; },
                     std::chrono::seconds{1});
    for (int k = 0; k < kMessagesPerVisit; ++k) {
      (void)player.write(99, visit);
      (void)player.read(std::chrono::milliseconds{1});
    }
    place.shared.progress.fetch_add_acq_rel(1);
  }
  return 0;
}

int follow_master(const EshmPlace& place, std::uint64_t messages) {
  Player player(place, Side::slave);
  std::uint64_t got = 0;
  for (std::uint64_t k = 0; got < messages && !is_set(place.shared.stop_victim); ++k) {
    (void)player.write(1, k);
    if (player.read(kReadTimeout)) ++got;
  }
  return 0;
}

}  // namespace sluice::kill_points
