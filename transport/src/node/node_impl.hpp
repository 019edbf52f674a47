#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <sluice/node.hpp>
#include <sluice/shm/sleep.hpp>
#include <sluice/shm/wait_set.hpp>

#include "control/runtime.hpp"
#include "node/node_events.hpp"

namespace sluice::detail {

struct TimerState {
  std::chrono::nanoseconds period{};
  std::function<void()> callback;
  std::int64_t due_ns = 0;
  std::atomic<bool> cancelled{false};
};

struct NodeImpl {
  std::string name;
  std::string ns;
  std::string fully_qualified_name;
  NodeOptions options;
  std::shared_ptr<Runtime> runtime;
  std::size_t record_entry = 0;
  std::shared_ptr<spdlog::logger> logger;
  std::shared_ptr<NodeEvents> events;
  std::int64_t last_size_report_ns = 0;

  /// Guards what the executor copies: `subscriptions`, `timers`, `executor`.
  std::mutex mutex;
  std::vector<std::weak_ptr<SubscriptionCore>> subscriptions;
  std::vector<std::shared_ptr<TimerState>> timers;
  Executor* executor = nullptr;
  std::once_flag own_executor_made;
  std::unique_ptr<Executor> own_executor;

  /// Tells the executor, wherever it sleeps, that the lists changed.
  void notify();
};

struct ExecutorImpl {
  std::mutex mutex;
  std::vector<NodeImpl*> nodes;
  std::atomic<bool> changed{true};  ///< The lists below are out of date.
  std::atomic<bool> stopped{false};
  shm::WaitSet wait_set;

  // Used by the spinning thread only.
  std::vector<std::shared_ptr<SubscriptionCore>> subscriptions;
  std::vector<std::shared_ptr<TimerState>> timers;
  std::vector<std::shared_ptr<NodeEvents>> events;
  std::vector<shm::WaitSet::Entry> entries;
  Runtime* runtime = nullptr;
  bool handles_signals = false;

  void refresh();
  [[nodiscard]] bool run_ready();
  void sleep(shm::Deadline until);
  [[nodiscard]] bool run_due_timers();
  [[nodiscard]] shm::Deadline next_timer() const noexcept;
  [[nodiscard]] bool ended() const noexcept {
    return stopped || (handles_signals && signal_received()) || shm::sleep_cancelled();
  }
  bool spin_until(shm::Deadline until);
};

}  // namespace sluice::detail
