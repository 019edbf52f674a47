#pragma once

#include <sys/mman.h>

#include <atomic>
#include <mutex>
#include <new>
#include <stdexcept>
#include <thread>

#include "unit/eshm/eshm_support.hpp"

namespace sluice::test {

/// Another process with a channel: writes "PREFIX 1", "PREFIX 2", ... when it is told to. Killed at the latest by the
/// destructor.
class ChannelPeer {
 public:
  ChannelPeer(const std::string& name, const eshm::ChannelOptions& options, const std::string& prefix = "message")
      : orders_(make_orders()), process_([this, name, options, prefix] { return body(name, options, prefix); }) {
    if (!eventually([this] { return orders_->open != 0; }))
      throw std::runtime_error("the peer cannot open its channel");
  }
  ~ChannelPeer() {
    process_.kill(SIGKILL);
    ::munmap(orders_, sizeof(Orders));
  }
  ChannelPeer(const ChannelPeer&) = delete;
  ChannelPeer& operator=(const ChannelPeer&) = delete;

  /// Writes so many messages more, and waits until it has.
  void write(std::uint32_t count = 1) {
    orders_->asked += count;
    if (!eventually([this] { return orders_->written == orders_->asked; }))
      throw std::runtime_error("it does not write");
  }
  [[nodiscard]] bool took_over() const { return orders_->took_over != 0; }
  [[nodiscard]] bool is_master() const { return orders_->is_master != 0; }
  [[nodiscard]] pid_t pid() const { return process_.pid(); }

  void signal(int number) { process_.kill(number); }
  void kill() {
    process_.kill(SIGKILL);
    (void)process_.wait();
  }
  /// Closes its channel; the exit code.
  int leave() {
    orders_->stop = 1;
    return process_.wait();
  }

 private:
  struct Orders {
    std::atomic<std::uint32_t> open, asked, written, stop, took_over, is_master;
  };
  static Orders* make_orders() {
    void* memory = ::mmap(nullptr, sizeof(Orders), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::runtime_error("mmap failed");
    return ::new (memory) Orders{};
  }

  int body(const std::string& name, const eshm::ChannelOptions& options, const std::string& prefix) {
    eshm::Channel channel(name, options);
    orders_->took_over = channel.took_over() ? 1 : 0;
    orders_->is_master = channel.side() == eshm::Side::master ? 1 : 0;
    orders_->open = 1;
    while (orders_->stop == 0) {
      if (orders_->written == orders_->asked) {
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
      } else if (test::write(channel, prefix + " " + std::to_string(orders_->written + 1)) == eshm::WriteStatus::ok) {
        ++orders_->written;
      }
    }
    return 0;
  }

  Orders* orders_;
  ChildProcess process_;
};

/// The callbacks' calls, in order.
class Events {
 public:
  [[nodiscard]] eshm::ChannelCallbacks callbacks() {
    return {[this] { add("connect"); }, [this] { add("stale"); }, [this] { add("reconnect"); },
            [this](std::uint32_t generation) { add("takeover " + std::to_string(generation)); }};
  }
  [[nodiscard]] std::vector<std::string> all() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  /// Waits for it.
  [[nodiscard]] bool come(const std::vector<std::string>& expected) const {
    const bool came = eventually([&] { return all() == expected; });
    for (const auto& event : came ? std::vector<std::string>{} : all())
      std::fprintf(stderr, "event: %s\n", event.c_str());
    return came;
  }

 private:
  void add(const std::string& event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(event);
  }
  mutable std::mutex mutex_;
  std::vector<std::string> events_;
};

inline eshm::ChannelOptions as(eshm::Role role) {
  eshm::ChannelOptions options;
  options.role = role;
  return options;
}

/// A slave that looks for its master every 5 ms, for ever.
inline eshm::ChannelOptions patient_slave() {
  eshm::ChannelOptions options = as(eshm::Role::slave);
  options.reconnect_interval = std::chrono::milliseconds{5};
  options.max_reconnect_attempts = 0;
  options.reconnect_timeout = std::chrono::milliseconds{0};
  return options;
}

/// A read that does not end is a failure, not a hang.
inline constexpr std::chrono::seconds kWatchdog{30};

}  // namespace sluice::test
