#pragma once

#include <memory>
#include <set>
#include <string>
#include <thread>

#include <sluice/config.hpp>
#include <sluice/transport_registry.hpp>

#include "control/asio.hpp"
#include "control/log.hpp"
#include "control/process_record.hpp"

namespace sluice::detail {

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

  /// True the first time it is asked about a topic: for things that are logged once.
  [[nodiscard]] bool first_mention(const std::string& topic);

 private:
  void beat();

  std::uint32_t fork_generation_ = shm::fork_generation();
  std::string runtime_dir_;
  TransportContext context_;
  TransportRegistry transports_;
  std::shared_ptr<spdlog::logger> log_;
  std::unique_ptr<ProcessRecord> record_;
  std::mutex mutex_;
  std::set<std::string> mentioned_;
  boost::asio::io_context control_;
  boost::asio::steady_timer heartbeat_{control_};
  std::thread thread_;
};

/// Removes dead records and topic files from a domain's directory; how many.
std::size_t sweep(TransportRegistry& transports, const TransportContext& context);

}  // namespace sluice::detail
