#include "commands/control_client.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include <sluice/detail/quote.hpp>
#include <sluice/error.hpp>
#include <sluice/shm/deadline.hpp>
#include <sluice/shm/sleep.hpp>
#include <sluice/shm/unique_fd.hpp>

namespace sluice::commands {

namespace {

constexpr std::size_t kMostAnswerBytes = std::size_t{1024} * 1024;
constexpr std::size_t kLengthBytes = 4;
constexpr std::chrono::seconds kPatience{2};
constexpr std::chrono::milliseconds kConnectAgain{5};
/// The process itself answers after two seconds when the node's callback does not.
constexpr std::chrono::seconds kPatienceWithCallbacks{4};

/// One question at a time; each gets its own deadline.
class Connection {
 public:
  Connection(const ProcessInfo& process, const std::string& node)
      : who_("node " + detail::quote(node) + " (process " + std::to_string(process.pid) + ", " + process.executable +
             ")"),
        fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    if (!fd_.valid()) throw SystemError("cannot make a socket", errno);
    const std::string path = process.record.substr(0, process.record.rfind('.')) + ".control";
    const std::size_t slash = path.rfind('/');
    const shm::UniqueFd directory(::open(path.substr(0, slash).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    // An address has room for 107 bytes.
    const std::string reached = "/proc/self/fd/" + std::to_string(directory.get()) + path.substr(slash);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (reached.size() >= sizeof address.sun_path) throw Error("the name of '" + path + "' is too long for a socket");
    std::memcpy(address.sun_path, reached.c_str(), reached.size() + 1);
    // While as many wait as may, a connection is refused: nothing says when one more fits.
    const auto until = shm::Deadline::after(kPatience);
    while (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      if (errno != EAGAIN) throw SystemError(who_ + " cannot be asked: cannot connect to '" + path + "'", errno);
      if (until.passed()) silent(kPatience);
      shm::sleep_for(kConnectAgain);
    }
  }

  nlohmann::json ask(const nlohmann::json& request, std::chrono::seconds patience) {
    const auto until = shm::Deadline::after(patience);
    send(request.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    std::string length = receive(kLengthBytes, until, patience);
    std::size_t size = 0;
    for (std::size_t i = kLengthBytes; i > 0; --i) size = size << 8U | static_cast<unsigned char>(length[i - 1]);
    if (size > kMostAnswerBytes) throw Error(who_ + " announces an answer of " + std::to_string(size) + " bytes");
    auto answer = nlohmann::json::parse(receive(size, until, patience), nullptr, false);
    if (!answer.is_object() || !answer.contains("ok")) throw Error(who_ + " sent an answer that is none");
    if (answer["ok"] != true) throw Error(answer.value("error", who_ + " says no, without a reason"));
    return answer;
  }

 private:
  [[noreturn]] void silent(std::chrono::seconds patience) const {
    throw Error(who_ + " does not answer within " + std::to_string(patience.count()) +
                " s: it is stopped, in a debugger, or its machine is overloaded");
  }

  void send(const std::string& body) {
    std::string bytes;
    for (std::size_t i = 0; i < kLengthBytes; ++i) bytes += static_cast<char>(body.size() >> (8 * i) & 0xFFU);
    bytes += body;
    // A request fits into the socket's buffer. A process that refused us has closed: its reason is still to be read.
    if (::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET) {
      throw SystemError(who_ + " cannot be asked", errno);
    }
  }

  std::string receive(std::size_t size, shm::Deadline until, std::chrono::seconds patience) {
    std::string bytes;
    while (bytes.size() < size) {
      pollfd readable{fd_.get(), POLLIN, 0};
      const std::int64_t left = std::max<std::int64_t>(0, until.ns() - shm::monotonic_ns()) / 1'000'000;
      if (until.passed() || ::poll(&readable, 1, static_cast<int>(left) + 1) == 0) silent(patience);
      std::array<char, 4096> chunk{};
      const ssize_t got = ::recv(fd_.get(), chunk.data(), std::min(chunk.size(), size - bytes.size()), 0);
      if (got > 0) {
        bytes.append(chunk.data(), static_cast<std::size_t>(got));
      } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        throw Error(who_ + " ended the connection before it answered");
      }
    }
    return bytes;
  }

  std::string who_;
  shm::UniqueFd fd_;
};

}  // namespace

nlohmann::json ask(const ProcessInfo& process, const std::string& node, nlohmann::json request) {
  Connection connection(process, node);
  request["version"] = 1;
  request["node"] = node;
  // A stopped process is found out first, so that a silent callback is told apart from it.
  if (request["request"] != "set_parameter") return connection.ask(request, kPatience);
  (void)connection.ask({{"version", 1}, {"request", "info"}, {"node", node}}, kPatience);
  return connection.ask(request, kPatienceWithCallbacks);
}

}  // namespace sluice::commands
