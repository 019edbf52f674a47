#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <spdlog/logger.h>

#include <sluice/shm/file_lock.hpp>
#include <sluice/shm/segment.hpp>

#include "control/asio.hpp"
#include "control/control_request.hpp"

namespace sluice::detail {

/// A node, as the control socket sees it. Called by the control thread.
class ControlTarget {
 public:
  /// The bytes to send, from `control_answer` or `control_error`; any thread, the first counts.
  using Answer = std::function<void(std::string)>;

  ControlTarget() = default;
  ControlTarget(const ControlTarget&) = delete;
  ControlTarget& operator=(const ControlTarget&) = delete;
  virtual ~ControlTarget() = default;

  [[nodiscard]] virtual const std::string& name() const noexcept = 0;

  /// Must not block; may throw Error. User code it leaves to the thread that spins, which takes `taken` first: when it
  /// was true already, the client has been told that the node does not spin, and nothing is done.
  virtual void handle(const ControlRequest& request, const Answer& answer,
                      const std::shared_ptr<std::atomic<bool>>& taken) = 0;
};

/// Where a process's control socket is: beside its record.
[[nodiscard]] std::string control_socket_path(const std::string& record_path);
[[nodiscard]] std::string record_path_of(const std::string& socket_path);
[[nodiscard]] bool is_control_socket(std::string_view path) noexcept;

class ControlConnections;

/// This process's control socket. All but `add` in the control thread, or while there is none.
class ControlServer {
 public:
  ControlServer(boost::asio::io_context& context, const shm::Access& access, std::shared_ptr<spdlog::logger> log);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  /// Offers the socket beside this record, unless it is there. What fails is logged once: the process works without.
  void offer(const std::string& record_path) noexcept;

  /// Whether there was one, as of the last `offer`.
  [[nodiscard]] bool offered() const noexcept { return inode_ != 0; }

  /// Any thread. It is served as long as it exists.
  void add(const std::shared_ptr<ControlTarget>& target);

 private:
  [[nodiscard]] bool in_place() const noexcept;
  void open(const std::string& path);
  void remove() noexcept;

  shm::Access access_;
  std::shared_ptr<spdlog::logger> log_;
  std::shared_ptr<ControlConnections> connections_;
  std::uint32_t fork_generation_ = shm::fork_generation();
  std::string path_;
  std::uint64_t inode_ = 0;
  bool complained_ = false;
};

}  // namespace sluice::detail
