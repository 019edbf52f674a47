#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <sluice/config.hpp>
#include <sluice/transport_registry.hpp>

#include "control/asio.hpp"
#include "control/control_server.hpp"
#include "control/log.hpp"
#include "control/matching.hpp"
#include "control/process_record.hpp"
#include "control/registry.hpp"

namespace sluice::detail {

/// Hears of what happens in the domain, from the control thread.
using GraphListener = std::function<void(const GraphEvent&)>;

/// This process's presence in one domain: its record, its transports, its control thread. Shared by all nodes of the
/// process; the process joins with the first and leaves with the last. Thread-safe.
class Runtime {
 public:
  /// Joins, or returns the presence that is there already. Throws Error. Also removes what dead processes left.
  [[nodiscard]] static std::shared_ptr<Runtime> join(const Config& config);

  explicit Runtime(const Config& config);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  [[nodiscard]] ProcessRecord& record() noexcept { return *record_; }
  [[nodiscard]] TransportRegistry& transports() noexcept { return transports_; }
  [[nodiscard]] spdlog::logger& log() const noexcept { return *log_; }
  [[nodiscard]] const TransportContext& context() const noexcept { return context_; }

  /// Whose handlers run in the control thread.
  [[nodiscard]] boost::asio::io_context& control() noexcept { return control_; }

  /// True the first time it is asked about a topic: for things that are logged once.
  [[nodiscard]] bool first_mention(const std::string& topic);

  /// From now on this endpoint is compared with those of others, until it is removed.
  void add_endpoint(const std::shared_ptr<OwnEndpoint>& endpoint);
  void remove_endpoint(const OwnEndpoint* endpoint);

  /// Its `on_liveliness` was set: it hears of the publishers that are there.
  void liveliness_wanted();

  /// Requests that name it are its, as long as it exists.
  void add_control_target(const std::shared_ptr<ControlTarget>& target) { server_->add(target); }

  /// Calls it for every process that is there (as `joined`), then for what happens, as long as it exists.
  void add_listener(const std::shared_ptr<GraphListener>& listener);

 private:
  /// What the control thread knows of an executor of this process.
  struct Watched {
    std::uint64_t round = 0;
    std::int64_t since_ns = 0;
  };

  void run();
  void beat();
  void watch_executors();
  void announce_soon();
  void endpoints_changed();
  void on_graph_event(const GraphEvent& event);
  void log_event(const GraphEvent& event, bool ours);
  [[nodiscard]] std::chrono::nanoseconds lease() const;
  [[nodiscard]] Matching::Processes processes();
  [[nodiscard]] bool anybody_listens();

  std::uint32_t fork_generation_ = shm::fork_generation();
  std::string runtime_dir_;
  TransportContext context_;
  TransportRegistry transports_;
  std::shared_ptr<spdlog::logger> log_;
  std::unique_ptr<ProcessRecord> record_;
  std::mutex mutex_;
  std::set<std::string> mentioned_;
  std::vector<std::weak_ptr<GraphListener>> listeners_;  ///< The control thread only.
  std::atomic<bool> announcing_{false};
  std::atomic<bool> reconsidering_{false};
  std::chrono::nanoseconds shortest_lease_ = std::chrono::nanoseconds::max();  ///< The control thread only.
  std::array<Watched, kMaxExecutors> executors_{};
  boost::asio::io_context control_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> until_stopped_{control_.get_executor()};
  std::chrono::steady_clock::time_point next_beat_;  ///< The control thread only, once it runs.
  boost::asio::steady_timer announcement_{control_};
  Matching matching_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<ControlServer> server_;
  std::thread thread_;
};

/// Removes dead records and topic files from a domain's directory; how many.
std::size_t sweep(TransportRegistry& transports, const TransportContext& context);

}  // namespace sluice::detail
