#include <sluice/executor.hpp>

#include <algorithm>

#include "node/node_impl.hpp"
#include "node/signals.hpp"

namespace sluice {

namespace {

/// One busy topic lets the others have their turn after this many messages.
constexpr std::size_t kBatch = 32;

/// Should the control thread not hear of a death, either: of publishers that are no process of the domain.
constexpr std::chrono::seconds kLongestSleepOfTheTold{30};

}  // namespace

Executor::Executor() : impl_(std::make_unique<detail::ExecutorImpl>()) {}

Executor::~Executor() {
  const std::lock_guard lock(impl_->mutex);
  for (detail::NodeImpl* node : impl_->nodes) {
    const std::lock_guard node_lock(node->mutex);
    node->executor = nullptr;
  }
}

void Executor::add(Node& node) {
  {
    const std::lock_guard lock(impl_->mutex);
    const std::lock_guard node_lock(node.impl_->mutex);
    if (node.impl_->executor != nullptr && node.impl_->executor != this) {
      throw Error("node '" + node.impl_->fully_qualified_name +
                  "' belongs to another executor already (spin() gives it one of its own); remove it there first");
    }
    node.impl_->executor = this;
    impl_->nodes.push_back(node.impl_.get());
  }
  impl_->changed = true;
  impl_->wait_set.interrupt();
}

void Executor::remove(Node& node) {
  {
    const std::lock_guard lock(impl_->mutex);
    const std::lock_guard node_lock(node.impl_->mutex);
    impl_->nodes.erase(std::remove(impl_->nodes.begin(), impl_->nodes.end(), node.impl_.get()), impl_->nodes.end());
    if (node.impl_->executor == this) node.impl_->executor = nullptr;
    if (impl_->nodes.empty() && !impl_->spinning) impl_->watch_in(nullptr);
  }
  impl_->changed = true;
  impl_->wait_set.interrupt();
}

namespace detail {

void ExecutorImpl::refresh() {
  if (!changed.exchange(false)) return;
  subscriptions.clear();
  timers.clear();
  events.clear();
  handles_signals = false;
  const std::lock_guard lock(mutex);
  watch_in(nodes.empty() ? nullptr : nodes.back()->runtime);
  for (NodeImpl* node : nodes) {
    const std::lock_guard node_lock(node->mutex);
    if (node->runtime == runtime) runtime->record().set_executor(node->record_entry, progress);
    events.push_back(node->events);
    handles_signals = handles_signals || node->options.handle_signals;
    std::erase_if(node->subscriptions, [](const auto& weak) { return weak.expired(); });
    std::erase_if(node->timers, [](const auto& timer) { return timer->cancelled.load(); });
    for (const auto& weak : node->subscriptions) {
      if (auto subscription = weak.lock(); subscription && !subscription->closed()) {
        subscriptions.push_back(std::move(subscription));
      }
    }
    timers.insert(timers.end(), node->timers.begin(), node->timers.end());
  }
  armed.assign(subscriptions.size(), Armed{});
  due = shm::Deadline::never();
}

bool ExecutorImpl::run_due_timers() {
  bool ran = false;
  for (const auto& timer : timers) {
    const std::int64_t now = shm::monotonic_ns();
    if (timer->cancelled || timer->due_ns > now) continue;
    // Calls that were missed are left out, but the rhythm is kept.
    const std::int64_t period = std::max<std::int64_t>(1, timer->period.count());
    timer->due_ns += period * ((now - timer->due_ns) / period + 1);
    timer->callback();
    ran = true;
  }
  return ran;
}

void ExecutorImpl::watch_in(const std::shared_ptr<Runtime>& other) {
  if (runtime == other) return;
  if (runtime != nullptr) runtime->record().release_executor(progress);
  runtime = other;
  progress = runtime == nullptr ? kMaxExecutors : runtime->record().claim_executor();
}

void ExecutorImpl::begin_spinning() {
  const std::lock_guard lock(mutex);
  spinning = true;
  for (const NodeImpl* node : nodes) node->warn_of_ignored_parameters();  // what it declares it has declared by now
}

/// Between two spins nothing is stuck, also when a callback threw.
void ExecutorImpl::end_spinning() noexcept {
  end_round();
  const std::lock_guard lock(mutex);
  spinning = false;
  if (nodes.empty()) watch_in(nullptr);
}

/// Only the thread that spins writes this word, so a load and a store do.
void ExecutorImpl::begin_round() noexcept {
  if (progress == kMaxExecutors) return;
  auto& round = runtime->record().executor(progress).round;
  const std::uint64_t before = round.load_relaxed();
  round.store_relaxed(before % 2 == 0 ? before + 1 : before + 2);
}

void ExecutorImpl::end_round() noexcept {
  if (progress == kMaxExecutors) return;
  auto& round = runtime->record().executor(progress).round;
  if (const std::uint64_t now = round.load_relaxed(); now % 2 == 1) round.store_relaxed(now + 1);
}

bool ExecutorImpl::run_ready() {
  begin_round();
  bool ran = run_due_timers();
  for (const auto& node_events : events) ran = node_events->deliver() || ran;
  // When one is due all are, or hundreds of topics would end the sleep at a time of their own each.
  const bool look_at_all = due.passed();
  if (look_at_all) due = shm::Deadline::never();
  for (std::size_t i = 0; i < subscriptions.size(); ++i) {
    if (ended()) break;
    if (subscriptions[i]->closed()) {
      changed = true;
      continue;
    }
    if (armed[i].sleeps() && !look_at_all) continue;
    armed[i].end();
    if (subscriptions[i]->dispatch(kBatch) != 0) ran = true;
  }
  return ran;
}

shm::Deadline ExecutorImpl::next_timer() const noexcept {
  shm::Deadline next = shm::Deadline::never();
  for (const auto& timer : timers) {
    if (!timer->cancelled) next = earlier(next, shm::Deadline::at(timer->due_ns));
  }
  return next;
}

void ExecutorImpl::sleep(shm::Deadline until) {
  entries.clear();
  for (std::size_t i = 0; i < subscriptions.size(); ++i) {
    if (!armed[i].has_word()) {
      const auto wait = subscriptions[i]->arm();
      if (!wait) return;  // a message came
      armed[i].begin(*wait, !subscriptions[i]->reader().holds_too_many());
      // The control thread hears of deaths within milliseconds and has us look again then (Matching::look_again).
      due = earlier(due, shm::Deadline::after(wait->for_silent_deaths ? kLongestSleepOfTheTold : wait->at_most));
    }
  }
  for (Armed& one : armed) {
    if (one.has_word()) entries.push_back(one.entry());
  }
  end_round();
  wait_set.wait(entries, earlier(due, earlier(until, next_timer())));
}

namespace {

class Spinning {
 public:
  explicit Spinning(ExecutorImpl& executor) : executor_(executor) { executor_.begin_spinning(); }
  Spinning(const Spinning&) = delete;
  Spinning& operator=(const Spinning&) = delete;
  ~Spinning() { executor_.end_spinning(); }

 private:
  ExecutorImpl& executor_;
};

}  // namespace

bool ExecutorImpl::spin_until(shm::Deadline until) {
  const SignalWatch watch(wait_set);
  const Spinning spinning_now(*this);
  refresh();
  while (!ended()) {
    if (until.passed()) return true;
    refresh();
    if (!run_ready() && !ended() && !changed) sleep(until);
  }
  return false;
}

}  // namespace detail

void Executor::spin() { (void)impl_->spin_until(shm::Deadline::never()); }

bool Executor::spin_for(std::chrono::nanoseconds duration) { return impl_->spin_until(shm::Deadline::after(duration)); }

bool Executor::spin_once(std::chrono::nanoseconds timeout) {
  const detail::SignalWatch watch(impl_->wait_set);
  const detail::Spinning spinning_now(*impl_);
  impl_->refresh();
  if (impl_->ended()) return false;
  if (impl_->run_ready()) return true;
  impl_->sleep(shm::Deadline::after(timeout));
  impl_->refresh();
  return !impl_->ended() && impl_->run_ready();
}

void Executor::shutdown() noexcept {
  impl_->stopped = true;
  impl_->wait_set.interrupt();
}

bool Executor::is_shut_down() const noexcept { return impl_->stopped; }

}  // namespace sluice
