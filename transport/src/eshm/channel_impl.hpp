#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <sluice/eshm/channel.hpp>
#include <sluice/eshm/pulse.hpp>
#include <sluice/shm/doorbell.hpp>

#include "eshm/arrival.hpp"

namespace sluice::eshm {

/// A channel that beats, watches and reconnects.
///
/// Threads: the heartbeat thread replaces `attached_` under the mutex and then raises `version_`. The reading and the
/// writing thread each hold a reference of their own to what they use, so that nothing is unmapped under them, and
/// look at `version_` once a call.
///
///     open ──the master is stale or dead──▶ reconnecting ──found it, here or in a new segment──▶ open
///                                               └──attempts or time used up──▶ gave_up
class Channel::Impl final : private PulseClient {
 public:
  Impl(const std::string& name, const ChannelOptions& options, ChannelCallbacks callbacks);
  virtual ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  WriteStatus write(std::span<const std::byte> message) noexcept;
  ReadResult read(std::span<std::byte> buffer, std::chrono::nanoseconds timeout) noexcept;

  [[nodiscard]] std::shared_ptr<Arrival> attached() const;
  [[nodiscard]] bool remote_alive() const noexcept;
  [[nodiscard]] ChannelStats stats();
  [[nodiscard]] std::string last_problem() const;
  void beat_once() noexcept;

  const Side side;
  const bool created;
  const bool took_over;
  std::atomic<RemoteState> remote{RemoteState::unknown};
  std::atomic<Connection> connection{Connection::open};
  std::atomic<Waiting> waiting{Waiting::wake};

 private:
  Impl(const std::string& name, ChannelOptions options, ChannelCallbacks callbacks, Arrival arrival);

  /// What one of the two using threads holds.
  struct Use {
    std::shared_ptr<Arrival> arrival;
    std::uint64_t version = 0;
  };
  void renew_reading() noexcept;
  void renew_writing() noexcept;
  void wait_for_message(std::chrono::nanoseconds at_most) noexcept;
  void publish_books() noexcept;

  std::chrono::nanoseconds beat(std::int64_t now_ns) noexcept override;
  using Calls = std::vector<std::function<void()>>;
  void watch_remote(std::int64_t now_ns, Calls& calls);
  void miss_master(std::int64_t now_ns);
  void watch_generation(Calls& calls);
  void reconnect(std::int64_t now_ns, Calls& calls);
  [[nodiscard]] bool try_new_segment();
  [[nodiscard]] Occupied judge_at_a_glance(Segment& segment);
  void back_again(Calls& calls);
  [[nodiscard]] RemoteWatch watch_of(const Segment& segment) const noexcept;
  [[nodiscard]] bool patience_ended(std::int64_t now_ns) const noexcept;

  const std::string name_;
  const ChannelOptions options_;
  const ChannelCallbacks callbacks_;
  const std::uint32_t fork_generation_;

  mutable std::mutex mutex_;  ///< Guards what follows; never held while a callback or a peer is waited for.
  std::shared_ptr<Arrival> attached_;
  RemoteWatch watch_;
  std::uint32_t generation_ = 0;
  bool was_alive_ = false;
  bool ended_ = false;  ///< OnDisconnect::immediately did.
  std::uint32_t attempts_ = 0;
  std::int64_t reconnecting_since_ns_ = 0;
  std::int64_t next_attempt_ns_ = 0;
  std::uint64_t reconnects_ = 0;
  std::string last_problem_;
  std::uint64_t read_version_ = 1;    ///< Of the segment that the reading thread uses.
  std::uint64_t passed_over_ = 0;     ///< Messages in segments that came and went since it looked.
  std::uint64_t seen_inode_ = 0;      ///< Of a new segment whose place for a slave looked taken,
  std::uint64_t seen_heartbeat_ = 0;  ///< and the heartbeat of whoever has it.
  std::uint64_t last_heartbeats_[2] = {0, 0};

  std::atomic<std::uint64_t> version_{1};
  shm::Doorbell changed_{};  ///< Rung when a reader that sleeps without a segment should look.

  Use reading_;  ///< The reading thread's.
  MailboxReader reader_;
  bool first_read_done_ = false;
  Use writing_;  ///< The writing thread's.
  MailboxWriter writer_;

  std::atomic<std::uint64_t> written_{0};  ///< Copies for stats() of other threads.
  std::atomic<std::uint64_t> received_{0};
  std::atomic<std::uint64_t> conflated_{0};
  std::atomic<std::uint64_t> interrupted_{0};
  std::atomic<bool> approximate_{false};

  std::shared_ptr<Pulse> pulse_;  ///< Null without heartbeat.
};

}  // namespace sluice::eshm
