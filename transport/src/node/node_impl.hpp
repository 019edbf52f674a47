#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <sluice/node.hpp>
#include <sluice/shm/sleep.hpp>
#include <sluice/shm/wait_set.hpp>

#include "control/runtime.hpp"
#include "node/node_control.hpp"
#include "node/node_events.hpp"

namespace sluice::detail {

struct TimerState {
  std::chrono::nanoseconds period{};
  std::function<void()> callback;
  std::int64_t due_ns = 0;
  std::atomic<bool> cancelled{false};
};

/// What an endpoint has of its node.
struct EndpointOwner {
  std::string node_name;  ///< Fully qualified.
  std::size_t record_entry;
  std::shared_ptr<NodeEvents> events;
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
  std::shared_ptr<GraphListener> graph_listener;
  std::shared_ptr<ParameterStore> parameters;
  std::shared_ptr<NodeControl> control;

  /// Guards what the executor copies: `subscriptions`, `timers`, `executor`.
  std::mutex mutex;
  std::vector<std::weak_ptr<SubscriptionCore>> subscriptions;
  std::vector<std::shared_ptr<TimerState>> timers;
  Executor* executor = nullptr;
  std::once_flag own_executor_made;
  std::unique_ptr<Executor> own_executor;

  /// Tells the executor, wherever it sleeps, that the lists changed.
  void notify();

  /// A misspelt parameter would otherwise be no more than a default that nobody understands.
  void warn_of_ignored_parameters() const;
};

/// How a subscription sleeps. As long as nobody has rung it is left alone while others have messages, so that one busy
/// topic among hundreds does not cost a look at each.
class Armed {
 public:
  /// Nobody has rung. Until it is due, what the transport promises to sleepers is promised for this one.
  [[nodiscard]] bool sleeps() const noexcept {
    return left_alone_ && word_ != nullptr && word_->load_acquire() == expected_;
  }

  /// `left_alone` is false where something else than a ring may bring messages: one given back by the program.
  void begin(const WaitFor& wait, bool left_alone) noexcept {
    left_alone_ = left_alone;
    word_ = wait.word;
    expected_ = wait.expected;
    kept_ = false;
  }
  void end() noexcept { word_ = nullptr; }

  [[nodiscard]] bool has_word() const noexcept { return word_ != nullptr; }

  /// For the wait that is about to begin.
  [[nodiscard]] shm::WaitSet::Entry entry() noexcept { return {word_, expected_, std::exchange(kept_, true)}; }

 private:
  const shm::SharedAtomic<std::uint32_t>* word_ = nullptr;
  std::uint32_t expected_ = 0;
  bool left_alone_ = false;
  bool kept_ = false;
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
  std::vector<Armed> armed;                    ///< Of each subscription, in the same order.
  shm::Deadline due = shm::Deadline::never();  ///< When they are looked at even if nobody rang.
  std::vector<shm::WaitSet::Entry> entries;
  std::shared_ptr<Runtime> runtime;
  std::size_t progress = kMaxExecutors;  ///< Its ExecutorProgress in the runtime's record.
  bool handles_signals = false;

  ExecutorImpl() = default;
  ExecutorImpl(const ExecutorImpl&) = delete;
  ExecutorImpl& operator=(const ExecutorImpl&) = delete;
  ~ExecutorImpl() { watch_in(nullptr); }

  /// Whether a thread spins. Guarded by `mutex`; who ends to spin lets go of a domain in which no node is left.
  bool spinning = false;
  void begin_spinning();
  void end_spinning() noexcept;

  /// From now on others can see in this runtime's record whether this executor gets on.
  void watch_in(const std::shared_ptr<Runtime>& other);
  void begin_round() noexcept;
  void end_round() noexcept;

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
