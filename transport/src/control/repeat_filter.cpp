#include "control/repeat_filter.hpp"

namespace sluice::detail {

namespace {

/// Programs that say something new each time are not held up by remembering all of it.
constexpr std::size_t kMostRemembered = 256;

}  // namespace

RepeatFilter::RepeatFilter(std::vector<spdlog::sink_ptr> sinks, std::chrono::nanoseconds quiet)
    : sinks_(std::move(sinks)), quiet_(std::chrono::duration_cast<Clock::duration>(quiet)) {}

RepeatFilter::~RepeatFilter() { settle(Clock::time_point::max()); }

void RepeatFilter::add(spdlog::sink_ptr other) {
  const std::lock_guard lock(mutex_);
  sinks_.push_back(std::move(other));
}

void RepeatFilter::sink_it_(const spdlog::details::log_msg& message) {
  settle(message.time);
  const Key key{std::string(message.logger_name.data(), message.logger_name.size()),
                std::string(message.payload.data(), message.payload.size())};
  if (const auto found = repeated_.find(key); found != repeated_.end()) {
    ++found->second.left_out;
    return;
  }
  if (repeated_.size() < kMostRemembered) repeated_[key] = {message.time, message.level, 0};
  pass_on(message);
}

void RepeatFilter::flush_() {
  for (const auto& next : sinks_) next->flush();
}

/// Forgets what is long ago, and says how often it was left out.
void RepeatFilter::settle(Clock::time_point now) {
  std::erase_if(repeated_, [&](const auto& entry) {
    const auto& [key, repeated] = entry;
    if (now != Clock::time_point::max() && now - repeated.since < quiet_ && now >= repeated.since) return false;
    if (repeated.left_out > 0) tell_left_out(key, repeated);
    return true;
  });
}

void RepeatFilter::tell_left_out(const Key& key, const Repeated& repeated) {
  const std::string text = key.second + " (" + std::to_string(repeated.left_out) + " more times)";
  pass_on(spdlog::details::log_msg(key.first, repeated.level, text));
}

void RepeatFilter::pass_on(const spdlog::details::log_msg& message) {
  for (const auto& next : sinks_) {
    if (!next->should_log(message.level)) continue;
    next->log(message);
    if (message.level >= spdlog::level::warn) next->flush();  // what is worth a warning may be followed by the end
  }
}

}  // namespace sluice::detail
