#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <sluice/config.hpp>
#include <sluice/shm/deadline.hpp>
#include <sluice/transport_registry.hpp>

#include "commands/commands.hpp"

namespace sluice::commands {

/// What the domain and its configuration say of a topic.
struct NamedTopic {
  TopicSpec spec;          ///< With the transport that its endpoints use, else the one that is configured.
  bool published = false;  ///< It has a publisher.
  bool foreign = false;    ///< Programs without Sluice share what carries it.
  std::string medium;      ///< The file that its endpoints name; empty: there is none, or they do not say.
};

[[nodiscard]] NamedTopic find_topic(const Config& config, TransportRegistry& transports, const std::string& name);

/// A topic as a passive observer sees it: nobody waits for this process or counts it.
class ObservedTopic {
 public:
  /// By the transport that its endpoints use, else by the one that is configured; says on stderr when it has no
  /// publisher. Throws Error when the transport cannot be observed.
  ObservedTopic(const Common& common, const std::string& name, Observed what);

  /// Looks for the next message at least so often, at the price of this process's time.
  void look_every(std::chrono::nanoseconds pause) noexcept { longest_pause_ = pause; }

  /// The next message, to be given back; none at the deadline or after Ctrl-C.
  [[nodiscard]] std::optional<TakenMessage> next(shm::Deadline deadline);
  void release(const TakenMessage& message) noexcept { reader_->release(message); }

  [[nodiscard]] const std::string& name() const noexcept { return spec_.name; }
  [[nodiscard]] ReaderStats stats() const noexcept { return reader_->stats(); }

  /// What the books count: "messages", or "elements" of a SlickQueue segment.
  [[nodiscard]] const char* unit() const noexcept { return unit_; }

 private:
  TopicSpec spec_;
  const char* unit_ = "messages";
  std::unique_ptr<TransportRegistry> transports_;
  std::unique_ptr<Reader> reader_;
  /// Signals end a sleep, but not one that begins right after them.
  std::chrono::nanoseconds longest_pause_ = std::chrono::milliseconds{50};
};

}  // namespace sluice::commands
