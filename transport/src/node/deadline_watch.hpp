#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include <sluice/graph.hpp>

#include "control/asio.hpp"
#include "control/record_layout.hpp"

namespace sluice::detail {

/// Watches that messages follow each other within a topic's `deadline`, from the first one on, as DDS does. Runs in the
/// control thread, so that it also notices while the application hangs.
class DeadlineWatch : public std::enable_shared_from_this<DeadlineWatch> {
 public:
  using Callback = std::function<void(const DeadlineEvent&)>;

  DeadlineWatch(boost::asio::io_context& control, std::string topic, std::chrono::nanoseconds deadline,
                EndpointStatistics& statistics);

  /// A message went through. The endpoint's thread.
  void message(std::int64_t now_ns) noexcept { last_ns_.store(now_ns, std::memory_order_relaxed); }

  void begin();

  /// From now on the endpoint's numbers are not touched any more.
  void end() noexcept;

  /// Called by the control thread for every deadline that passes.
  void set_callback(Callback callback);

 private:
  void wait_until(std::int64_t ns);
  void look();

  boost::asio::io_context& control_;
  boost::asio::steady_timer timer_;
  std::string topic_;
  std::chrono::nanoseconds deadline_;
  std::atomic<std::int64_t> last_ns_{0};
  std::int64_t due_ns_ = 0;
  std::mutex mutex_;  ///< Guards what follows.
  EndpointStatistics* statistics_;
  Callback callback_;
};

}  // namespace sluice::detail
