#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <sluice/error.hpp>
#include <sluice/eshm/layout.hpp>
#include <sluice/eshm/presence.hpp>
#include <sluice/export.hpp>
#include <sluice/shm/segment.hpp>

namespace sluice::eshm {

/// Which end of a channel to be.
enum class Role : std::uint8_t {
  master,     ///< Makes the segment, or takes a dead master's over.
  slave,      ///< Attaches to a master's segment, and waits for it.
  automatic,  ///< Slave if there is a segment, master otherwise.
};

/// What a slave does when its master's heartbeat stands still.
enum class OnDisconnect : std::uint8_t {
  immediately,  ///< Gives up at once: reads end with ReadStatus::stale.
  on_timeout,   ///< Tries to reconnect, as often and for as long as the options say.
  never,        ///< Tries to reconnect for ever.
};

/// Which message is the first that is read.
enum class FirstRead : std::uint8_t {
  after_open,     ///< The first one written after the channel was opened. (A slave that waited for its master: the
                  ///< first one of all.)
  after_reading,  ///< The first one written after the first read: what the original does.
  current,        ///< The one that is there already.
};

/// How readers learn of a message.
enum class Waiting : std::uint8_t {
  wake,  ///< The writer wakes them; looking now and then covers writers of protocol 2.
  poll,  ///< They look every half millisecond, every 9 ms after 100 ms without traffic.
};

/// With ESHM's names and defaults as far as it has them.
struct ChannelOptions {
  Role role = Role::automatic;                            ///< Which end.
  OnDisconnect on_disconnect = OnDisconnect::on_timeout;  ///< Of a slave.

  /// A heartbeat that stood still for this long is stale. Not set: 100 ms when creating, what the segment says when
  /// attaching.
  std::optional<std::chrono::milliseconds> stale_threshold;
  bool follow_segment = false;  ///< stale_threshold is for creating only; who attaches follows the segment, as the
                                ///< original does.
  std::chrono::milliseconds reconnect_interval{100};  ///< Between two attempts.
  std::uint32_t max_reconnect_attempts = 50;          ///< 0: unlimited.
  std::chrono::milliseconds reconnect_timeout{5000};  ///< For all attempts together (reconnect_wait_ms). 0: unlimited.
  bool auto_cleanup = true;                           ///< The creator removes the segment's name when it closes.
  bool heartbeat = true;                              ///< Beats and watches (use_threads).

  std::size_t max_size = kDefaultMaxSize;  ///< Largest message, in bytes; both sides' must be the same.
  Protocol protocol = Protocol::v3;        ///< Of a segment that is created. Programs of both accept 3.
  std::chrono::nanoseconds attach_timeout = std::chrono::seconds{5};  ///< A slave waits this long for its master.
  FirstRead first_read = FirstRead::after_open;                       ///< Which message is the first.
  bool promote = false;  ///< automatic: take a dead master's segment over as master.
  shm::Access access;    ///< Of a segment that is created; whatever the umask.
};

/// Called by the process's heartbeat thread, one at a time. They must return soon and may not close the channel.
struct ChannelCallbacks {
  std::function<void()> on_connect;    ///< The other side is alive for the first time.
  std::function<void()> on_stale;      ///< Its heartbeat stands still, or it is gone.
  std::function<void()> on_reconnect;  ///< It is alive again; for a slave perhaps in a new segment.
  std::function<void(std::uint32_t generation)> on_takeover;  ///< Another master took the segment over.
};

/// Whether messages can pass.
enum class Connection : std::uint8_t {
  open,          ///< Attached. What is on the other side says RemoteState.
  reconnecting,  ///< A slave that looks for its master.
  gave_up,       ///< A slave whose patience ended; for good.
};

/// How a read ended.
enum class ReadStatus : std::uint8_t {
  ok,         ///< A message.
  nothing,    ///< None within the timeout.
  too_small,  ///< The buffer is smaller than the message, which was not taken: `size` says how large it is.
  stale,      ///< OnDisconnect::immediately, and the other side is stale or dead.
  gave_up,    ///< Reconnecting failed; for good.
};

/// What a read brought.
struct ReadResult {
  ReadStatus status = ReadStatus::nothing;  ///< How it ended.
  std::size_t size = 0;                     ///< Bytes of the message.
  std::uint64_t conflated = 0;              ///< Messages that were replaced before this one, unread.
};

/// How a write ended.
enum class WriteStatus : std::uint8_t {
  ok,            ///< Written.
  too_large,     ///< Longer than max_size; nothing was written.
  disconnected,  ///< A slave without a master; nothing was written.
};

/// What happened in one direction.
struct DirectionStats {
  std::uint64_t write_count = 0;  ///< As the segment counts.
  std::uint64_t read_count = 0;   ///< As the segment counts.
};

/// A channel's statistics. The words of the segment may be of slightly different moments.
struct ChannelStats {
  std::uint64_t master_heartbeat = 0;        ///< In milliseconds; only its movement says something.
  std::uint64_t slave_heartbeat = 0;         ///< As master_heartbeat.
  std::uint64_t master_heartbeat_delta = 0;  ///< Since the previous call.
  std::uint64_t slave_heartbeat_delta = 0;   ///< Since the previous call.
  std::uint32_t master_pid = 0;              ///< For people.
  std::uint32_t slave_pid = 0;               ///< For people.
  bool master_alive = false;                 ///< As it said itself; still true after a crash.
  bool slave_alive = false;                  ///< As master_alive.
  std::uint32_t stale_threshold_ms = 0;      ///< Of the segment.
  std::uint32_t generation = 0;              ///< Counts the masters' starts.
  DirectionStats master_to_slave;            ///< What the master writes.
  DirectionStats slave_to_master;            ///< What the slave writes.

  std::uint64_t written = 0;      ///< By this channel.
  std::uint64_t received = 0;     ///< By this channel.
  std::uint64_t conflated = 0;    ///< Replaced before this channel read them.
  std::uint64_t interrupted = 0;  ///< Writes found half done for longer than 100 ms.
  std::uint64_t reconnects = 0;   ///< Times that the other side came back.
  bool approximate = false;       ///< Counts are approximate: the writer keeps `sequence` odd at rest (hazard H1).
  bool orphaned = false;          ///< The segment's name was removed or given to another one.
};

/// An ESHM channel: a segment in /dev/shm with two mailboxes, one a direction, that programs of libeshm 1.0 and 1.1 are
/// peers on. A mailbox holds the latest message; what a reader missed is counted (`conflated`).
///
/// received + conflated = what the other side completed since this channel was opened, at any time a read has returned
/// nothing; also over reconnects and over writers that died.
///
/// Thread safety: one thread may read while another writes and others ask for state and statistics. Callbacks come from
/// the heartbeat thread. A channel that was inherited through fork() is closed in the child.
class SLUICE_EXPORT Channel {
 public:
  /// For as long as it takes.
  static constexpr std::chrono::nanoseconds kForever = std::chrono::nanoseconds::max();

  /// Opens /dev/shm/eshm_NAME. Throws Error: the place is taken by a living program, no master came within
  /// attach_timeout, the segment is of another max_size, damaged, or not this user's. Blocks while it waits for a
  /// master, and for up to the stale threshold + 50 ms to tell a dead peer from a living one.
  explicit Channel(const std::string& name, const ChannelOptions& options = {}, ChannelCallbacks callbacks = {});
  ~Channel();
  Channel(Channel&&) noexcept;
  Channel& operator=(Channel&&) noexcept;

  /// Replaces the message in our mailbox. Never blocks; one system call if a reader sleeps.
  WriteStatus write(std::span<const std::byte> message) noexcept;

  /// Reads the next message into `buffer`, waiting for at most `timeout` (0: not at all). Returns within the timeout
  /// whatever state the other side died in.
  [[nodiscard]] ReadResult read(std::span<std::byte> buffer, std::chrono::nanoseconds timeout = kForever) noexcept;

  /// As read with a timeout of 0.
  [[nodiscard]] ReadResult try_read(std::span<std::byte> buffer) noexcept;

  [[nodiscard]] Side side() const noexcept;                 ///< Which end it became.
  [[nodiscard]] bool created() const noexcept;              ///< Whether it made the segment.
  [[nodiscard]] bool took_over() const noexcept;            ///< Whether it continued a dead master's segment.
  [[nodiscard]] std::size_t max_size() const noexcept;      ///< In bytes.
  [[nodiscard]] Protocol protocol() const noexcept;         ///< Of the segment.
  [[nodiscard]] std::string path() const;                   ///< "/dev/shm/eshm_robot".
  [[nodiscard]] RemoteState remote_state() const noexcept;  ///< `unknown` for ever without heartbeat.
  [[nodiscard]] Connection connection() const noexcept;     ///< Of a master always `open`.
  [[nodiscard]] std::uint32_t generation() const noexcept;  ///< Counts the masters' starts.
  [[nodiscard]] std::string last_problem() const;           ///< Why reconnecting failed last; may be empty.
  [[nodiscard]] ChannelStats stats() const;                 ///< Any thread.

  /// What the original answers: false when the other side is stale or dead, or did not come within the threshold.
  [[nodiscard]] bool remote_alive() const noexcept;

  /// Adds 1 to our heartbeat: for channels without heartbeat.
  void beat() noexcept;

  /// How reading waits from now on. Any thread.
  void set_waiting(Waiting waiting) noexcept;
  [[nodiscard]] Waiting waiting() const noexcept;  ///< Waiting::wake at first.

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::eshm
