#include "child.hpp"

#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

namespace sluice::launch {

namespace {

// One turn of the event loop takes at most this much from one pipe, so that a flood does not keep others waiting.
constexpr std::size_t kTurn = std::size_t{16} * 1024;

}  // namespace

void OutputReader::start(shm::UniqueFd fd) {
  pipe_.assign(fd.release());
  wait();
}

// Waiting and then reading, instead of async_read_some: no bytes are ever on their way through the event loop, so
// drain() cannot overtake them.
void OutputReader::wait() {
  if (console_.full()) {
    paused_ = true;
    return;
  }
  pipe_.async_wait(asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& error) {
    if (error) return;
    if (read_some(kTurn)) {
      wait();
    } else {
      print({}, true);
      pipe_.close();
    }
  });
}

void OutputReader::resume() {
  if (!paused_) return;
  paused_ = false;
  wait();
}

void OutputReader::drain() {
  if (!pipe_.is_open()) return;
  int available = 0;
  if (::ioctl(pipe_.native_handle(), FIONREAD, &available) == 0) {
    for (auto left = static_cast<std::size_t>(available); left > 0; left -= std::min(left, kTurn)) {
      read_some(std::min(left, kTurn));
    }
  }
  print({}, true);
}

// False at the end of the stream.
bool OutputReader::read_some(std::size_t most) {
  std::array<char, kTurn> buffer;
  const ssize_t size = ::read(pipe_.native_handle(), buffer.data(), most);
  if (size > 0) print({buffer.data(), static_cast<std::size_t>(size)}, false);
  return size > 0 || (size < 0 && (errno == EAGAIN || errno == EINTR));
}

void OutputReader::print(std::string_view bytes, bool finish) {
  std::string text;
  const auto add = [&](std::string_view line) { console_.format_line(text, label_, index_, line); };
  lines_.feed(bytes, add);
  if (finish) lines_.finish(add);
  if (!text.empty()) console_.write(std::move(text));
}

Child::Child(asio::io_context& io, Console& console, const PlannedProcess& plan, std::size_t index)
    : plan_(plan), exit_(io), output_(io, console, plan.label, index), errors_(io, console, plan.label, index) {}

void Child::start(std::function<void(const Ending&)> on_end) {
  Spawned spawned = spawn(plan_);
  on_end_ = std::move(on_end);
  pid_ = spawned.pid;
  alive_ = true;
  exit_.assign(spawned.exit.release());
  output_.start(std::move(spawned.output));
  errors_.start(std::move(spawned.errors));
  wait_for_end();
}

void Child::wait_for_end() {
  exit_.async_wait(asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& error) {
    if (error) return;
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == 0) return wait_for_end();
    exit_.close();
    alive_ = false;
    drain_output();
    on_end_(ending_of(status));
  });
}

Ending Child::ending_of(int status) const {
  Ending ending;
  ending.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  ending.code = WIFSIGNALED(status) ? 128 + ending.signal : WEXITSTATUS(status);
  // A shell or a runtime that was interrupted may exit with 128 + signal instead of dying by it.
  const int by = ending.code - 128;
  ending.asked_for = by > 0 && by < 64 && ((sent_ >> by) & 1U) != 0;
  return ending;
}

// Until waitpid has reaped it, neither its number nor that of its group can belong to anybody else.
void Child::send(int signal) {
  if (!alive_) return;
  sent_ |= std::uint64_t{1} << signal;
  if (::kill(-pid_, signal) != 0) ::kill(pid_, signal);
}

void Child::resume_output() {
  output_.resume();
  errors_.resume();
}

void Child::drain_output() {
  output_.drain();
  errors_.drain();
}

}  // namespace sluice::launch
