#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <sluice/export.hpp>

namespace sluice::eshm {

/// Something that has to be done again and again while a channel is open.
class PulseClient {
 public:
  /// Called by the process's heartbeat thread; returns when it wants to be called again. Must not block.
  virtual std::chrono::nanoseconds beat(std::int64_t now_ns) noexcept = 0;

 protected:
  PulseClient() = default;
  PulseClient(const PulseClient&) = delete;
  PulseClient& operator=(const PulseClient&) = delete;
  ~PulseClient() = default;
};

/// The one thread that beats for all channels of this process. It runs while somebody holds it.
class SLUICE_EXPORT Pulse {
 public:
  Pulse();  ///< Use process_pulse.
  ~Pulse();
  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;

  /// From now on `client` is called, for the first time soon.
  void add(PulseClient& client);

  /// After this `client` is not called any more, and no call is in progress: never from within one.
  void remove(PulseClient& client) noexcept;

 private:
  struct Entry {
    PulseClient* client;
    std::int64_t due_ns;
  };
  void run();
  std::int64_t beat_all(std::unique_lock<std::mutex>& lock);

  std::uint32_t fork_generation_;
  std::mutex mutex_;
  /// A client came, or a call ended, or the end.
  std::unique_ptr<std::condition_variable> changed_ = std::make_unique<std::condition_variable>();
  std::vector<Entry> entries_;
  PulseClient* beating_ = nullptr;  ///< Being called, without the mutex.
  bool stop_ = false;
  std::thread thread_;
};

/// The process's one; nullptr: its thread could not be started.
[[nodiscard]] SLUICE_EXPORT std::shared_ptr<Pulse> process_pulse();

}  // namespace sluice::eshm
