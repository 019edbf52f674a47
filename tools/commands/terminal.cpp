#include "commands/terminal.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <utility>

#include <sluice/error.hpp>

namespace sluice::commands {

namespace {

constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l\x1b[2J";
constexpr std::string_view kLeave = "\x1b[0m\x1b[?25h\x1b[?1049l";
constexpr std::array kHandled{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH};
constexpr std::array kCrashes{SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};

/// For a handler, which has no object: how the terminal was, while it is otherwise.
termios saved;
volatile sig_atomic_t is_saved = 0;

void write_all(std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno != EINTR) return;
    if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void restore() noexcept {
  if (is_saved == 0) return;
  is_saved = 0;
  write_all(kLeave);
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved);
}

void on_crash(int signal) {
  restore();
  ::raise(signal);  // by SA_RESETHAND as if nobody had handled it
}

struct Sequence {
  std::string_view text;
  Key key;
};

constexpr std::array kSequences{
    Sequence{"q", Key::quit},      Sequence{"Q", Key::quit},          Sequence{"s", Key::sort},
    Sequence{"r", Key::reverse},   Sequence{"p", Key::show},          Sequence{" ", Key::pause},
    Sequence{"\x1b[A", Key::up},   Sequence{"\x1b[B", Key::down},     Sequence{"\x1bOA", Key::up},
    Sequence{"\x1bOB", Key::down}, Sequence{"\x1b[5~", Key::page_up}, Sequence{"\x1b[6~", Key::page_down},
    Sequence{"\x0c", Key::redraw},
};

}  // namespace

bool Terminal::available() {
  const char* kind = std::getenv("TERM");
  return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1 && kind != nullptr && *kind != '\0' &&
         std::string_view(kind) != "dumb";
}

Terminal::Terminal() {
  sigset_t handled;
  ::sigemptyset(&handled);
  for (const int signal : kHandled) ::sigaddset(&handled, signal);
  ::sigprocmask(SIG_BLOCK, &handled, &signals_before_);
  signals_ = ::signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals_ < 0) {
    const int error = errno;
    ::sigprocmask(SIG_SETMASK, &signals_before_, nullptr);
    throw SystemError("signalfd", error);
  }
  struct sigaction action {};
  action.sa_handler = on_crash;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
  for (const int signal : kCrashes) ::sigaction(signal, &action, nullptr);
  enter();
}

Terminal::~Terminal() {
  leave();
  ::close(signals_);
  ::sigprocmask(SIG_SETMASK, &signals_before_, nullptr);
}

void Terminal::enter() {
  if (::tcgetattr(STDIN_FILENO, &saved) != 0) return;
  is_saved = 1;
  termios raw = saved;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);  // Ctrl-C and Ctrl-Z go on being signals
  raw.c_cc[VMIN] = 0;
  raw.c_cc[VTIME] = 0;
  ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
  write_all(kEnter);
}

void Terminal::leave() noexcept { restore(); }

Terminal::Size Terminal::size() const {
  winsize window{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0 || window.ws_row == 0) return {};
  return {window.ws_col, window.ws_row};
}

void Terminal::draw(const std::vector<std::string>& lines) {
  std::string frame = "\x1b[H";
  for (std::size_t i = 0; i < lines.size(); ++i) frame += (i == 0 ? "" : "\r\n") + lines[i] + "\x1b[K";
  write_all(frame + "\x1b[J");
}

std::optional<Key> Terminal::next(shm::Deadline deadline) {
  for (;;) {
    if (const auto key = from_signal()) return key;
    if (const auto key = from_keyboard()) return key;
    const std::int64_t left = deadline.ns() - shm::monotonic_ns();
    if (left <= 0) return std::nullopt;
    const timespec pause{left / 1'000'000'000, left % 1'000'000'000};
    std::array<pollfd, 2> events{{{STDIN_FILENO, POLLIN, 0}, {signals_, POLLIN, 0}}};
    if (::ppoll(events.data(), events.size(), &pause, nullptr) == 0) return std::nullopt;
    if ((events[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) return Key::quit;  // the terminal is gone
  }
}

std::optional<Key> Terminal::from_signal() {
  signalfd_siginfo info{};
  if (::read(signals_, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return std::nullopt;
  if (info.ssi_signo == SIGWINCH) return Key::redraw;
  if (info.ssi_signo != SIGTSTP) return Key::quit;
  leave();
  ::raise(SIGSTOP);
  enter();
  return Key::redraw;
}

std::optional<Key> Terminal::from_keyboard() {
  std::array<char, 64> bytes{};
  const ssize_t count = ::read(STDIN_FILENO, bytes.data(), bytes.size());
  if (count > 0) typed_.append(bytes.data(), static_cast<std::size_t>(count));
  while (!typed_.empty()) {
    bool begun = false;
    for (const Sequence& sequence : kSequences) {
      if (typed_.starts_with(sequence.text)) {
        typed_.erase(0, sequence.text.size());
        return sequence.key;
      }
      begun = begun || sequence.text.starts_with(typed_);
    }
    if (begun) break;  // over a slow line a key's bytes come one by one
    typed_.erase(0, 1);
  }
  return std::nullopt;
}

}  // namespace sluice::commands
