#include "conformance/peer.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>

namespace sluice::conformance {

namespace {

/// One line of the channel; empty at its end.
std::string read_line(int channel) {
  std::string line;
  for (char c = 0;;) {
    const ssize_t got = ::read(channel, &c, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return {};
    if (c == '\n') return line;
    line += c;
  }
}

bool write_line(int channel, std::string line) {
  line += '\n';
  return ::send(channel, line.data(), line.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(line.size());
}

}  // namespace

Peer::Peer(Topic& topic, std::uint64_t tag) {
  int ends[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw SystemError("cannot make a socket", errno);
  channel_ = shm::UniqueFd(ends[0]);
  shm::UniqueFd other(ends[1]);
  pid_ = ::fork();
  if (pid_ < 0) throw SystemError("cannot fork", errno);
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (other.get() == kPeerChannel) {
      ::fcntl(kPeerChannel, F_SETFD, 0);
    } else {
      ::dup2(other.get(), kPeerChannel);
    }
    ::_exit(exec_again(topic.settings(), {"--peer", std::to_string(tag)}));
  }
}

Peer::~Peer() { kill(); }

void Peer::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

void Peer::kill() {
  signal(SIGKILL);
  while (pid_ > 0 && ::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

void Peer::stop() {
  signal(SIGSTOP);
  int status = 0;
  while (::waitpid(pid_, &status, WUNTRACED) < 0 && errno == EINTR) {
  }
  expect(WIFSTOPPED(status), "the other process to stand still");
}

void Peer::tell(const std::string& command) {
  expect(write_line(channel_.get(), command), "the other process to listen");
}

void Peer::answer(const std::string& command, const std::source_location& where) {
  const std::string line = read_line(channel_.get());
  expect(line == "done", "the other process to " + command + ", but " + (line.empty() ? "it ended" : line), where);
}

bool Peer::answered() const {
  pollfd waiting{channel_.get(), POLLIN, 0};
  return ::poll(&waiting, 1, 5) > 0;
}

void Peer::ask(const std::string& command, const std::source_location& where) {
  tell(command);
  answer(command, where);
}

namespace {

/// The endpoints of a peer.
class PeerEndpoints {
 public:
  PeerEndpoints(Topic& topic, int channel) : topic_(topic), channel_(channel) {}

  void obey(const std::string& command) {
    std::istringstream words(command);
    std::string verb;
    std::uint64_t count = 0;
    words >> verb >> count;
    if (verb == "writer") {
      writer_ = topic_.writer();
      sender_.emplace(*writer_, topic_.long_size(), topic_.settings().peer_tag);
    } else if (verb == "reader") {
      reader_ = topic_.reader();
      receiver_.emplace(*reader_);
    } else if (verb == "publish") {
      sender_->send(count);
    } else if (verb == "take") {
      receiver_->wait_for(count);
    } else if (verb == "hold") {
      for (; count > 0; --count) expect(receiver_->hold().has_value(), "a message to hold");
    } else if (verb == "close") {
      writer_.reset();
      reader_.reset();
    } else if (verb == "stream") {
      sender_->send(1);
      write_line(channel_, "done");
      for (;;) sender_->send();
    } else if (verb == "drain") {
      write_line(channel_, "done");
      for (std::uint64_t received = 1;; ++received) receiver_->wait_for(received);
    } else {
      throw Error("unknown command '" + verb + "'");
    }
    write_line(channel_, "done");
  }

 private:
  Topic& topic_;
  int channel_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<Reader> reader_;
  std::optional<Sender> sender_;
  std::optional<Receiver> receiver_;
};

}  // namespace

int be_peer(const Settings& settings, int channel) {
  Topic topic(settings);
  PeerEndpoints endpoints(topic, channel);
  for (std::string command = read_line(channel); !command.empty(); command = read_line(channel)) {
    try {
      endpoints.obey(command);
    } catch (const std::exception& error) {
      write_line(channel, error.what());
    }
  }
  return 0;
}

}  // namespace sluice::conformance
