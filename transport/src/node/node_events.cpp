#include "node/node_events.hpp"

#include <utility>

#include <sluice/units.hpp>

namespace sluice::detail {

namespace {

/// Of a node that nobody spins.
constexpr std::size_t kMostCalls = 10'000;

constexpr std::uint64_t kDeadlinesPerLine = 1000;

spdlog::level::level_enum level_of(TransportEvent::Kind kind) {
  switch (kind) {
    case TransportEvent::Kind::liveliness_gained:
    case TransportEvent::Kind::segment_replaced: return spdlog::level::info;
    case TransportEvent::Kind::liveliness_lost:
    case TransportEvent::Kind::incompatible:
    case TransportEvent::Kind::writer_interrupted: return spdlog::level::warn;
    case TransportEvent::Kind::reliability_lost:
    case TransportEvent::Kind::second_writer: break;
  }
  return spdlog::level::err;
}

}  // namespace

void NodeEvents::push(const TransportEvent& event) {
  logger_->log(level_of(event.kind), event.message);
  {
    const std::lock_guard lock(mutex_);
    if (!handler_) return;
  }
  call([this, event] {
    std::function<void(const TransportEvent&)> handler;
    {
      const std::lock_guard lock(mutex_);
      handler = handler_;
    }
    if (handler) handler(event);
  });
}

void NodeEvents::call(std::function<void()> call) {
  const std::lock_guard lock(mutex_);
  if (calls_.size() == kMostCalls) {
    logger_->warn("{} events wait for this node to spin; they are dropped", calls_.size());
    calls_.clear();
  }
  calls_.push_back(std::move(call));
  any_ = true;
  if (wake_) wake_();
}

void NodeEvents::missed_deadline(const DeadlineEvent& event, const char* what) {
  if (event.total != 1 && event.total % kDeadlinesPerLine != 0) return;
  logger_->warn("topic '{}': nothing was {} within its deadline of {} ({} times so far)", event.topic, what,
                format_duration(event.deadline), event.total);
}

bool NodeEvents::deliver() {
  if (!any_.load(std::memory_order_relaxed)) return false;
  std::vector<std::function<void()>> calls;
  {
    const std::lock_guard lock(mutex_);
    any_ = false;
    calls = std::exchange(calls_, {});
  }
  // Unlocked: a callback may open endpoints, or set another handler.
  for (const auto& call : calls) call();
  return !calls.empty();
}

void NodeEvents::set_handler(std::function<void(const TransportEvent&)> handler) {
  const std::lock_guard lock(mutex_);
  handler_ = std::move(handler);
}

void NodeEvents::wake() {
  const std::lock_guard lock(mutex_);
  if (wake_) wake_();
}

void NodeEvents::set_wake(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
}

}  // namespace sluice::detail
