#include "control/control_server.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <sluice/error.hpp>
#include <sluice/shm/access.hpp>
#include <sluice/shm/kill_point.hpp>
#include <sluice/shm/unique_fd.hpp>

#include "control/control_connections.hpp"
#include "control/record_layout.hpp"

namespace sluice::detail {

namespace {

constexpr std::string_view kSocketSuffix = ".control";
constexpr int kBacklog = 64;

/// A socket's address has room for 107 bytes: a longer path is reached through its directory's descriptor.
class SocketAddress {
 public:
  explicit SocketAddress(const std::string& path) {
    std::string reached = path;
    if (path.size() >= sizeof address_.sun_path) {
      const std::size_t slash = path.rfind('/');
      directory_ = shm::UniqueFd(::open(path.substr(0, slash).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
      if (!directory_.valid()) throw SystemError("cannot open the directory of '" + path + "'", errno);
      reached = "/proc/self/fd/" + std::to_string(directory_.get()) + path.substr(slash);
    }
    if (reached.size() >= sizeof address_.sun_path) throw Error("the name of '" + path + "' is too long for a socket");
    address_.sun_family = AF_UNIX;
    std::memcpy(address_.sun_path, reached.c_str(), reached.size() + 1);
  }

  [[nodiscard]] int bind(int fd) const {
    return ::bind(fd, reinterpret_cast<const sockaddr*>(&address_), sizeof address_);
  }

 private:
  shm::UniqueFd directory_;
  sockaddr_un address_{};
};

}  // namespace

std::string control_socket_path(const std::string& record_path) {
  return record_path.substr(0, record_path.size() - kRecordSuffix.size()) + std::string{kSocketSuffix};
}

std::string record_path_of(const std::string& socket_path) {
  return socket_path.substr(0, socket_path.size() - kSocketSuffix.size()) + std::string{kRecordSuffix};
}

bool is_control_socket(std::string_view path) noexcept { return path.ends_with(kSocketSuffix); }

ControlServer::ControlServer(boost::asio::io_context& context, const shm::Access& access,
                             std::shared_ptr<spdlog::logger> log)
    : access_(access),
      log_(std::move(log)),
      connections_(std::make_shared<ControlConnections>(context, access.group)) {}

ControlServer::~ControlServer() {
  connections_->way_back()->end();
  if (fork_generation_ != shm::fork_generation()) return;  // the socket is the parent's
  remove();
  connections_->close();
}

void ControlServer::add(const std::shared_ptr<ControlTarget>& target) { connections_->add(target); }

bool ControlServer::in_place() const noexcept { return inode_ != 0 && shm::name_means(path_, inode_); }

void ControlServer::remove() noexcept {
  if (in_place()) {
    ::unlink(path_.c_str());
    SLUICE_KILL_POINT("control.socket.removed");
  }
  inode_ = 0;
}

void ControlServer::offer(const std::string& record_path) noexcept {
  try {
    const std::string path = control_socket_path(record_path);
    if (path == path_ && in_place()) return;
    open(path);
    complained_ = false;
  } catch (const std::exception& error) {
    if (!std::exchange(complained_, true)) {
      log_->error("no control socket (parameters and log levels cannot be changed from outside): {}", error.what());
    }
  }
}

/// Nobody can connect before it listens, and by then it has its rights.
void ControlServer::open(const std::string& path) {
  remove();
  path_ = path;
  shm::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) throw SystemError("cannot make a socket", errno);
  ::unlink(path.c_str());  // of a process that had our pid and start time in another container
  if (SocketAddress(path).bind(fd.get()) != 0) throw SystemError("cannot bind a socket to '" + path + "'", errno);
  SLUICE_KILL_POINT("control.socket.bound");
  const shm::UniqueFd file(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat info {};
  if (!file.valid() || ::fstat(file.get(), &info) != 0) throw SystemError("cannot examine '" + path + "'", errno);
  shm::apply_access_to_path("/proc/self/fd/" + std::to_string(file.get()), access_, "control socket '" + path + "'");
  SLUICE_KILL_POINT("control.socket.opened");
  if (::listen(fd.get(), kBacklog) != 0) throw SystemError("cannot listen at '" + path + "'", errno);
  SLUICE_KILL_POINT("control.socket.listening");
  connections_->listen(fd.release());
  inode_ = info.st_ino;
}

}  // namespace sluice::detail
