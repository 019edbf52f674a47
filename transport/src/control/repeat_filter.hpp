#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <spdlog/sinks/base_sink.h>

namespace sluice::detail {

/// Passes messages on to other sinks, the same message of the same logger once in a while only: how often it came
/// meanwhile is said when that time is over. A thing that goes wrong a thousand times a second is one line.
class RepeatFilter : public spdlog::sinks::base_sink<std::mutex> {
 public:
  RepeatFilter(std::vector<spdlog::sink_ptr> sinks, std::chrono::nanoseconds quiet);
  RepeatFilter(const RepeatFilter&) = delete;
  RepeatFilter& operator=(const RepeatFilter&) = delete;
  ~RepeatFilter() override;

  /// One more to pass on to.
  void add(spdlog::sink_ptr other);

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override;

 private:
  using Clock = spdlog::log_clock;
  using Key = std::pair<std::string, std::string>;  ///< Logger, text.
  struct Repeated {
    Clock::time_point since;
    spdlog::level::level_enum level{};
    std::uint64_t left_out = 0;
  };

  void pass_on(const spdlog::details::log_msg& message);
  void tell_left_out(const Key& key, const Repeated& repeated);
  void settle(Clock::time_point now);

  std::vector<spdlog::sink_ptr> sinks_;
  Clock::duration quiet_;
  std::map<Key, Repeated> repeated_;
};

}  // namespace sluice::detail
