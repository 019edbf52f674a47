#include "restarts.hpp"

#include <algorithm>

namespace sluice::launch {

namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds kSoon = 10s;  ///< Whoever ran for longer worked.
constexpr std::chrono::nanoseconds kShortest = 100ms;
constexpr std::chrono::nanoseconds kLongest = 30s;

}  // namespace

std::optional<std::chrono::nanoseconds> Restarts::after_end(const Respawn& rules, Time started, Time now) {
  if (rules.most) {
    while (!recent_.empty() && now - recent_.front() >= rules.window) recent_.pop_front();
    if (recent_.size() >= *rules.most) return std::nullopt;
    recent_.push_back(now);
  }
  ++count_;
  quick_ = now - started < kSoon ? quick_ + 1 : 0;
  std::chrono::nanoseconds delay = rules.delay;
  for (std::size_t i = 1; i < quick_ && delay < kLongest; ++i) {
    delay = std::min(std::max(2 * delay, kShortest), std::max(kLongest, rules.delay));
  }
  return delay;
}

}  // namespace sluice::launch
