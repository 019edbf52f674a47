#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "control/asio.hpp"
#include "control/control_server.hpp"

namespace sluice::detail {

using ControlSocket = boost::asio::local::stream_protocol::socket;

/// The way back from other threads, which may outlive the control thread and what it works with.
class ControlReturn {
 public:
  explicit ControlReturn(boost::asio::io_context& context) : context_(&context) {}

  /// Any thread: `handler` runs in the control thread, or never once the process left.
  void post(std::function<void()> handler) {
    const std::lock_guard lock(mutex_);
    if (context_ != nullptr) boost::asio::post(*context_, std::move(handler));
  }

  void end() noexcept {
    const std::lock_guard lock(mutex_);
    context_ = nullptr;
  }

 private:
  std::mutex mutex_;
  boost::asio::io_context* context_;
};

/// Who may ask, who is asked, and the connections. Everything but `targets` belongs to the control thread.
class ControlConnections : public std::enable_shared_from_this<ControlConnections> {
 public:
  ControlConnections(boost::asio::io_context& context, std::string group)
      : context_(context), acceptor_(context), retry_(context), group_(std::move(group)) {}

  /// Takes over a bound, listening socket.
  void listen(int fd);
  void close() noexcept;

  void add(const std::shared_ptr<ControlTarget>& target);

  [[nodiscard]] const std::shared_ptr<ControlReturn>& way_back() const noexcept { return way_back_; }

  void dispatch(const ControlRequest& request, const ControlTarget::Answer& answer,
                const std::shared_ptr<std::atomic<bool>>& taken);
  void closed() noexcept { --open_; }

 private:
  void accept();
  void accepted(ControlSocket socket);
  [[nodiscard]] std::string refusal(int fd) const;
  [[nodiscard]] std::vector<std::shared_ptr<ControlTarget>> targets();

  boost::asio::io_context& context_;
  boost::asio::local::stream_protocol::acceptor acceptor_;
  boost::asio::steady_timer retry_;
  std::string group_;
  std::size_t open_ = 0;
  std::shared_ptr<ControlReturn> way_back_ = std::make_shared<ControlReturn>(context_);
  std::mutex mutex_;  ///< Guards the rest.
  std::vector<std::weak_ptr<ControlTarget>> targets_;
};

/// One client. It costs itself only: whatever it does or leaves undone, a timer ends it.
class ControlConnection : public std::enable_shared_from_this<ControlConnection> {
 public:
  ControlConnection(boost::asio::io_context& context, std::shared_ptr<ControlConnections> all, ControlSocket socket)
      : all_(std::move(all)), socket_(std::move(socket)), timer_(context) {}

  void begin();

 private:
  void read();
  void received(std::size_t bytes);
  void serve(const std::string& body);
  void send(std::string bytes, bool then_close);
  void limit(std::chrono::milliseconds duration);
  void close() noexcept;

  std::shared_ptr<ControlConnections> all_;
  ControlSocket socket_;
  boost::asio::steady_timer timer_;
  FrameDecoder decoder_{kMostRequestBytes};
  std::array<char, 4096> chunk_{};
  std::string out_;
  std::uint64_t round_ = 0;  ///< Of the request that is being served: an answer to an earlier one comes too late.
  bool timing_request_ = false;
  bool closed_ = false;
};

}  // namespace sluice::detail
