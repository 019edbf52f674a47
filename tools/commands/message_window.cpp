#include "commands/message_window.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace sluice::commands {

namespace {

constexpr double kNsPerSecond = 1e9;

}  // namespace

void MessageWindow::add(const TakenMessage& message, std::int64_t now_ns) {
  const std::int64_t published = message.info.published_ns;
  const auto delay = published != 0 ? std::optional(now_ns - published) : std::nullopt;
  seen_.push_back({published != 0 ? published : now_ns, delay, message.size, message.info.lost});
  if (seen_.size() > most_ + 1) seen_.pop_front();
}

MessageWindow::Rate MessageWindow::rate() const {
  Rate rate;
  if (seen_.size() < 2) return rate;
  double sum = 0;
  double squares = 0;
  std::uint64_t missed = 0;
  rate.shortest = INFINITY;
  for (std::size_t i = 1; i < seen_.size(); ++i) {
    missed += seen_[i].lost_before;
    if (seen_[i].lost_before != 0) continue;
    const double distance = static_cast<double>(seen_[i].ns - seen_[i - 1].ns) / kNsPerSecond;
    sum += distance;
    squares += distance * distance;
    rate.shortest = std::min(rate.shortest, distance);
    rate.longest = std::max(rate.longest, distance);
    ++rate.window;
  }
  if (rate.window == 0) return {};
  const double mean = sum / static_cast<double>(rate.window);
  rate.deviation = std::sqrt(std::max(0.0, squares / static_cast<double>(rate.window) - mean * mean));
  const double span = static_cast<double>(seen_.back().ns - seen_.front().ns) / kNsPerSecond;
  rate.per_second = span > 0 ? static_cast<double>(seen_.size() - 1 + missed) / span : 0;
  return rate;
}

MessageWindow::Sizes MessageWindow::sizes(std::int64_t now_ns) const {
  Sizes sizes;
  if (seen_.empty()) return sizes;
  double sum = 0;
  sizes.smallest = seen_.front().bytes;
  for (const Seen& seen : seen_) {
    sum += static_cast<double>(seen.bytes);
    sizes.smallest = std::min(sizes.smallest, seen.bytes);
    sizes.largest = std::max(sizes.largest, seen.bytes);
  }
  sizes.messages = seen_.size();
  sizes.mean = sum / static_cast<double>(seen_.size());
  const double span = static_cast<double>(now_ns - seen_.front().ns) / kNsPerSecond;
  sizes.per_second = span > 0 ? sum / span : 0;
  return sizes;
}

MessageWindow::Delays MessageWindow::delays() const {
  std::vector<double> all;
  double sum = 0;
  double squares = 0;
  for (const Seen& seen : seen_) {
    if (!seen.delay_ns) continue;
    const double delay = static_cast<double>(*seen.delay_ns) / kNsPerSecond;
    sum += delay;
    squares += delay * delay;
    all.push_back(delay);
  }
  if (all.empty()) return {};
  if (all.size() > most_) {  // one more is kept than distances are wanted
    sum -= all.front();
    squares -= all.front() * all.front();
    all.erase(all.begin());
  }
  std::sort(all.begin(), all.end());
  const auto count = static_cast<double>(all.size());
  const auto rank = [&](double share) {
    return all[static_cast<std::size_t>(std::max(0.0, std::ceil(share * count) - 1))];
  };
  const double mean = sum / count;
  const double deviation = std::sqrt(std::max(0.0, squares / count - mean * mean));
  return {mean, all.front(), all.back(), deviation, rank(0.5), rank(0.99), all.size()};
}

}  // namespace sluice::commands
