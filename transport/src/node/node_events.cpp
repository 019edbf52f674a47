#include "node/node_events.hpp"

#include <utility>

namespace sluice::detail {

namespace {

spdlog::level::level_enum level_of(TransportEvent::Kind kind) {
  switch (kind) {
    case TransportEvent::Kind::liveliness_gained:
    case TransportEvent::Kind::segment_replaced: return spdlog::level::info;
    case TransportEvent::Kind::liveliness_lost:
    case TransportEvent::Kind::writer_interrupted: return spdlog::level::warn;
    case TransportEvent::Kind::reliability_lost:
    case TransportEvent::Kind::second_writer: break;
  }
  return spdlog::level::err;
}

}  // namespace

void NodeEvents::push(const TransportEvent& event) {
  logger_->log(level_of(event.kind), event.message);
  const std::lock_guard lock(mutex_);
  if (!handler_) return;
  events_.push_back(event);
  any_ = true;
  if (wake_) wake_();
}

bool NodeEvents::deliver() {
  if (!any_.load(std::memory_order_relaxed)) return false;
  std::vector<TransportEvent> events;
  std::function<void(const TransportEvent&)> handler;
  {
    const std::lock_guard lock(mutex_);
    any_ = false;
    events = std::exchange(events_, {});
    handler = handler_;
  }
  // Unlocked: the handler may open endpoints, or set another handler.
  for (const TransportEvent& event : events) {
    if (handler) handler(event);
  }
  return !events.empty();
}

void NodeEvents::set_handler(std::function<void(const TransportEvent&)> handler) {
  const std::lock_guard lock(mutex_);
  handler_ = std::move(handler);
}

void NodeEvents::set_wake(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
}

}  // namespace sluice::detail
