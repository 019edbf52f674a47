#pragma once

#include <sys/types.h>

#include <string>

#include <sluice/shm/unique_fd.hpp>

#include "conformance/topic.hpp"

namespace sluice::conformance {

/// Another process with endpoints of the same topic: this program, started again, that does what it is told.
/// Ends with this object and with this process.
///
///     writer | reader             open one
///     publish COUNT               numbered messages of its own tag
///     stream                      publish for ever; answers after the first message
///     drain                       take for ever; answers before the first message
///     take COUNT                  sleep until so many were received in all
///     hold COUNT                  take so many and keep them
///     close                       leave the topic
class Peer {
 public:
  /// `tag` is that of the messages it publishes.
  Peer(Topic& topic, std::uint64_t tag);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  /// Waits for the answer. Broken if the other process fails or ends.
  void ask(const std::string& command, const std::source_location& where = std::source_location::current());
  /// Tells without waiting; the answer belongs to the next `answer`.
  void tell(const std::string& command);
  void answer(const std::string& command, const std::source_location& where = std::source_location::current());

  /// Whether there is an answer, after a moment.
  [[nodiscard]] bool answered() const;

  void signal(int number) const;
  /// SIGKILL, and waits until it is gone.
  void kill();
  /// SIGSTOP, and waits until it stands still.
  void stop();

 private:
  pid_t pid_ = -1;
  shm::UniqueFd channel_;
};

/// The other side of Peer: main of such a process. `channel` is the descriptor it is told things on.
[[nodiscard]] int be_peer(const Settings& settings, int channel);

/// The descriptor of the channel in the other process.
inline constexpr int kPeerChannel = 3;

}  // namespace sluice::conformance
