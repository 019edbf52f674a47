#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>

#include <sluice/shm/atomic.hpp>

#include "harness/outcome.hpp"

namespace sluice::bench {

/// A run that did not end well: a side died, failed or hung. The text says which.
class RunFailed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// SIGINT or SIGTERM arrived. Thrown after both sides were ended, so that what the caller holds is cleaned up.
class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("interrupted") {}
};

/// Where the two sides meet, in memory that both map, beside the medium under test.
class Meeting {
 public:
  /// Returns when both sides have called it.
  void wait_for_the_other() noexcept;

  alignas(shm::kIsolation) shm::SharedAtomic<std::uint32_t> sender_done;  ///< For readers that may lose messages.
  alignas(shm::kIsolation) Outcome outcome;

 private:
  alignas(shm::kIsolation) shm::SharedAtomic<std::uint32_t> arrivals_;
};

/// Zeroed pages that both sides map, all present.
class SharedMemory {
 public:
  explicit SharedMemory(std::size_t size);
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  template <typename T>
  [[nodiscard]] T& as() const noexcept {
    return *reinterpret_cast<T*>(data_);
  }

 private:
  std::byte* data_;
  std::size_t size_;
};

enum class Placement {
  processes,  ///< Two processes on two cores.
  threads,    ///< One process, two threads on two cores.
};

using Side = std::function<void(Meeting&)>;

/// Runs both sides to their end, each pinned to a core of its own, in children of this process, and returns what they
/// left in Meeting::outcome. A child that fails, dies, or has not ended after a minute ends the run: all children are
/// killed, and RunFailed is thrown.
[[nodiscard]] Outcome run_two_sides(Placement placement, const Side& first, const Side& second);

/// Cores this process may run on. With fewer than two, two spinning sides only measure the scheduler.
[[nodiscard]] std::size_t usable_cores() noexcept;

}  // namespace sluice::bench
