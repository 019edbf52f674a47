#include "console.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <thread>
#include <utility>

namespace sluice::launch {

namespace {

constexpr std::size_t kFull = std::size_t{1} * 1024 * 1024;

constexpr std::array<const char*, 6> kLabelColours{"\033[36m", "\033[33m", "\033[35m",
                                                   "\033[32m", "\033[34m", "\033[96m"};

bool colour_wanted(int fd) {
  // https://no-color.org: any value but an empty one turns colours off.
  const char* refused = std::getenv("NO_COLOR");
  return ::isatty(fd) == 1 && (refused == nullptr || *refused == '\0');
}

struct SeverityLook {
  const char* text;
  const char* colour;
};

SeverityLook look_of(Severity severity) {
  switch (severity) {
    case Severity::info: return {"[INFO]", nullptr};
    case Severity::warning: return {"[WARNING]", "\033[33m"};
    case Severity::error: break;
  }
  return {"[ERROR]", "\033[31m"};
}

}  // namespace

Console::Console(asio::io_context& io, int fd, Handlers handlers)
    : io_(io), fd_(fd), colour_(colour_wanted(fd)), handlers_(std::move(handlers)) {
  std::thread([this] { write_forever(); }).detach();
}

void Console::log(Severity severity, std::string_view message) {
  const SeverityLook look = look_of(severity);
  std::string text = paint(look.colour, look.text) + " [launch]: ";
  text += message;
  write(text + '\n');
}

void Console::log(Severity severity, std::string_view label, std::string_view message) {
  std::string text = "[";
  text += label;
  text += "]: ";
  text += message;
  log(severity, text);
}

void Console::format_line(std::string& out, std::string_view label, std::size_t index, std::string_view line) const {
  if (colour_) {
    out += paint(kLabelColours[index % kLabelColours.size()], "[" + std::string(label) + "]");
  } else {
    out += '[';
    out += label;
    out += ']';
  }
  out += ' ';
  out += line;
  out += '\n';
}

void Console::write(std::string text) {
  const std::lock_guard lock(mutex_);
  if (broken_) return;
  if (waiting_.empty()) {
    waiting_ = std::move(text);
  } else {
    waiting_ += text;
  }
  changed_.notify_one();
}

bool Console::full() {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() < kFull) return false;
  room_wanted_ = true;
  return true;
}

bool Console::flushed() {
  const std::lock_guard lock(mutex_);
  if (waiting_.empty() && !writing_) return true;
  room_wanted_ = true;
  return false;
}

void Console::write_forever() {
  std::unique_lock lock(mutex_);
  while (true) {
    if (waiting_.empty() && room_wanted_) {
      room_wanted_ = false;
      asio::post(io_, [this] { handlers_.on_room(); });
    }
    changed_.wait(lock, [this] { return !waiting_.empty(); });
    const std::string text = std::exchange(waiting_, {});
    writing_ = true;
    lock.unlock();
    const bool written = write_all(text);
    lock.lock();
    writing_ = false;
    if (!written && !broken_) {
      broken_ = true;
      asio::post(io_, [this] { handlers_.on_broken(); });
    }
    if (broken_) waiting_.clear();
  }
}

bool Console::write_all(std::string_view text) const {
  while (!text.empty()) {
    const ssize_t written = ::write(fd_, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      // Whoever started us left the descriptor in non-blocking mode; the mode is theirs, so it is not changed.
      pollfd room{fd_, POLLOUT, 0};
      ::poll(&room, 1, -1);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

std::string Console::paint(const char* colour, std::string_view text) const {
  if (!colour_ || colour == nullptr) return std::string(text);
  return colour + std::string(text) + "\033[0m";
}

}  // namespace sluice::launch
