#include "control/control_connections.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include <sluice/detail/quote.hpp>
#include <sluice/error.hpp>
#include <sluice/shm/access.hpp>

namespace sluice::detail {

namespace {

constexpr std::size_t kMostConnections = 8;
constexpr std::chrono::milliseconds kWholeRequest{2000};
constexpr std::chrono::milliseconds kIdle{10'000};
constexpr std::chrono::milliseconds kUserCode{2000};
constexpr std::chrono::milliseconds kAcceptAgain{100};
constexpr std::size_t kMostGroups = 65536;  ///< NGROUPS_MAX

/// As the kernel knows it, supplementary groups included: what a database of users says of the name may be another
/// machine's or another container's.
bool in_group(int fd, const ucred& peer, gid_t wanted) {
  if (peer.gid == wanted) return true;
  std::vector<gid_t> groups(kMostGroups);
  auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0) return false;
  groups.resize(size / sizeof(gid_t));
  return std::find(groups.begin(), groups.end(), wanted) != groups.end();
}

}  // namespace

void ControlConnections::listen(int fd) {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  acceptor_.assign(boost::asio::local::stream_protocol(), fd);
  accept();
}

void ControlConnections::close() noexcept {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
}

void ControlConnections::add(const std::shared_ptr<ControlTarget>& target) {
  const std::lock_guard lock(mutex_);
  std::erase_if(targets_, [](const auto& weak) { return weak.expired(); });
  targets_.push_back(target);
}

std::vector<std::shared_ptr<ControlTarget>> ControlConnections::targets() {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<ControlTarget>> living;
  for (const auto& weak : targets_) {
    if (auto target = weak.lock()) living.push_back(std::move(target));
  }
  return living;
}

void ControlConnections::accept() {
  acceptor_.async_accept([self = shared_from_this()](const boost::system::error_code& error, ControlSocket socket) {
    if (error == boost::asio::error::operation_aborted || !self->acceptor_.is_open()) return;
    if (!error) {
      self->accepted(std::move(socket));
      return self->accept();
    }
    // No descriptor is left: the waiting client would wake us again at once.
    self->retry_.expires_after(kAcceptAgain);
    self->retry_.async_wait([self](const boost::system::error_code& stopped) {
      if (!stopped && self->acceptor_.is_open()) self->accept();
    });
  });
}

std::string ControlConnections::refusal(int fd) const {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return "who asks cannot be told";
  if (peer.uid == 0 || peer.uid == ::geteuid()) return {};
  const std::string who =
      "this process belongs to " + shm::user_text(::geteuid()) + " and you are " + shm::user_text(peer.uid);
  if (group_.empty()) return who + "; set 'group' in its configuration to share the domain";
  const auto wanted = shm::find_group(group_);
  if (wanted && in_group(fd, peer, *wanted)) return {};
  return who + ", who is not in its domain's group '" + group_ + "'";
}

void ControlConnections::accepted(ControlSocket socket) {
  std::string why = refusal(socket.native_handle());
  if (why.empty() && open_ == kMostConnections) {
    why = "this process serves " + std::to_string(kMostConnections) + " control connections, the most; try again";
  }
  if (!why.empty()) {
    // It fits into the empty buffer of a new connection, so this never blocks.
    const std::string bytes = control_error(why);
    (void)::send(socket.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return;
  }
  ++open_;
  std::make_shared<ControlConnection>(context_, shared_from_this(), std::move(socket))->begin();
}

void ControlConnections::dispatch(const ControlRequest& request, const ControlTarget::Answer& answer,
                                  const std::shared_ptr<std::atomic<bool>>& taken) {
  std::vector<std::string> names;
  for (const auto& target : targets()) {
    if (target->name() == request.node) return target->handle(request, answer, taken);
    names.push_back(target->name());
  }
  if (request.request == "info") return answer(control_answer({{"pid", ::getpid()}, {"nodes", names}}));
  throw Error(request.node.empty()
                  ? "the field 'node' is missing"
                  : "this process has no node " + quote(request.node) + did_you_mean(request.node, names));
}

void ControlConnection::begin() {
  limit(kWholeRequest);  // who connects has something to ask
  timing_request_ = true;
  read();
}

void ControlConnection::limit(std::chrono::milliseconds duration) {
  timer_.expires_after(duration);
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error) self->close();
  });
}

void ControlConnection::close() noexcept {
  if (std::exchange(closed_, true)) return;
  boost::system::error_code ignored;
  timer_.cancel(ignored);
  socket_.close(ignored);
  all_->closed();
}

void ControlConnection::read() {
  socket_.async_read_some(boost::asio::buffer(chunk_),
                          [self = shared_from_this()](const boost::system::error_code& error, std::size_t bytes) {
                            if (self->closed_) return;
                            if (error) return self->close();
                            self->received(bytes);
                          });
}

/// Reads no more before the answer is sent: who asks faster than it takes answers waits.
void ControlConnection::received(std::size_t bytes) {
  decoder_.feed({chunk_.data(), bytes});
  try {
    if (const auto body = decoder_.next()) return serve(*body);
  } catch (const std::exception& error) {
    return send(control_error(error.what()), true);
  }
  if (decoder_.begun() && !std::exchange(timing_request_, true)) limit(kWholeRequest);
  read();
}

void ControlConnection::serve(const std::string& body) {
  const std::uint64_t round = ++round_;
  const auto taken = std::make_shared<std::atomic<bool>>(false);
  const auto answer = [back = all_->way_back(), weak = weak_from_this(), round](std::string bytes) {
    back->post([weak, round, bytes = std::move(bytes)] {
      const auto self = weak.lock();
      if (self != nullptr && !self->closed_ && self->round_ == round) self->send(bytes, false);
    });
  };
  std::string node;
  try {
    const ControlRequest request = parse_control_request(body);
    node = request.node;
    timer_.expires_after(kUserCode);
    timer_.async_wait([self = shared_from_this(), round, taken, node](const boost::system::error_code& error) {
      if (error || self->closed_ || self->round_ != round) return;
      self->send(control_error("node " + quote(node) +
                               (taken->exchange(true) ? " has not come back from its callback for 2 s; whether it "
                                                        "accepts is not known"
                                                      : " does not spin: nothing was changed in 2 s")),
                 false);
    });
    all_->dispatch(request, answer, taken);
  } catch (const std::exception& error) {
    answer(control_error(error.what()));
  }
}

void ControlConnection::send(std::string bytes, bool then_close) {
  ++round_;
  limit(kWholeRequest);
  out_ = std::move(bytes);
  boost::asio::async_write(
      socket_, boost::asio::buffer(out_),
      [self = shared_from_this(), then_close](const boost::system::error_code& error, std::size_t) {
        if (self->closed_) return;
        if (error || then_close) return self->close();
        self->timing_request_ = self->decoder_.begun();
        self->limit(self->timing_request_ ? kWholeRequest : kIdle);
        self->received(0);
      });
}

}  // namespace sluice::detail
