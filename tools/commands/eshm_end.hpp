#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include <sluice/eshm/channel.hpp>
#include <sluice/shm/deadline.hpp>

#include "commands/eshm_commands.hpp"

/// What the commands that are one end of a channel share.
namespace sluice::commands {

/// SIGINT, SIGTERM and SIGHUP ask this program to stop; a closed pipe behind stdout no longer kills it, because
/// whoever dies leaves a segment behind. Lines are flushed one by one.
void prepare_to_stop(shm::Deadline until = shm::Deadline::never());

/// Whether it was asked to stop.
[[nodiscard]] bool asked_to_stop() noexcept;

/// Whether it was asked to, its time is over, or nobody can read its output any more.
[[nodiscard]] bool should_stop() noexcept;

/// What --max-size says, in bytes, or the default. Throws Error.
[[nodiscard]] std::size_t max_size_of(const EshmEnd& end);

/// "MASTER", "SLAVE".
[[nodiscard]] std::string label_of(eshm::Side side);

/// A message as people read it: without the NULs at its end; bytes that are no printable UTF-8 as \xNN.
[[nodiscard]] std::string printable(std::span<const std::byte> message);

/// What the heartbeat thread saw, for the thread that prints.
class EshmEvents {
 public:
  enum class Kind : std::uint8_t { connected, stale, reconnected, takeover };
  struct Event {
    Kind kind;
    std::uint32_t generation = 0;  ///< Of a takeover.
  };

  [[nodiscard]] eshm::ChannelCallbacks callbacks();
  [[nodiscard]] std::optional<Event> next();

  /// Cheap.
  [[nodiscard]] bool empty() const noexcept { return !pending_.load(std::memory_order_acquire); }

 private:
  void add(Event event);

  std::atomic<bool> pending_ = false;
  std::mutex mutex_;
  std::deque<Event> events_;
};

/// A channel that is open, with what it reports.
struct OpenEnd {
  std::shared_ptr<EshmEvents> events;  ///< Outlives the channel.
  eshm::Channel channel;
  std::string label;  ///< "[MASTER]"
};

/// Opens it; `say_so`: prints what it became. A slave without a master says what it waits for. Nothing: asked to stop
/// while waiting. Throws Error as Channel does.
[[nodiscard]] std::optional<OpenEnd> open_end(const EshmEnd& end, bool say_so = true);

/// Closes it. A creator that ends in order removes the segment. Where the creator was killed and another master took
/// over, the last one out does.
void close_end(std::optional<OpenEnd>& end);

/// Prints what happened on the other side since the last call.
void print_events(OpenEnd& end);

}  // namespace sluice::commands
