#pragma once

#include <memory>
#include <optional>
#include <string>

#include <sluice/shm/deadline.hpp>
#include <sluice/transport_registry.hpp>

#include "commands/commands.hpp"

namespace sluice::commands {

/// A topic as a passive observer sees it: nobody waits for this process or counts it.
class ObservedTopic {
 public:
  /// By the transport that its endpoints use, else by the one that is configured; says on stderr when it has no
  /// publisher. Throws Error when the transport cannot be observed.
  ObservedTopic(const Common& common, const std::string& name, Observed what);

  /// The next message, to be given back; none at the deadline or after Ctrl-C.
  [[nodiscard]] std::optional<TakenMessage> next(shm::Deadline deadline);
  void release(const TakenMessage& message) noexcept { reader_->release(message); }

  [[nodiscard]] const std::string& name() const noexcept { return spec_.name; }
  [[nodiscard]] ReaderStats stats() const noexcept { return reader_->stats(); }

 private:
  TopicSpec spec_;
  std::unique_ptr<TransportRegistry> transports_;
  std::unique_ptr<Reader> reader_;
};

}  // namespace sluice::commands
