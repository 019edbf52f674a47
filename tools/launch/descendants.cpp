#include "descendants.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <thread>
#include <utility>

#include <sluice/shm/unique_fd.hpp>

#include "pidfd.hpp"

namespace sluice::launch {

namespace {

std::optional<Descendant> read_process(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  const shm::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char buffer[1024];
  const ssize_t size = file.valid() ? ::read(file.get(), buffer, sizeof buffer) : -1;
  if (size <= 0) return std::nullopt;
  const std::string text(buffer, static_cast<std::size_t>(size));
  // The name stands in parentheses and may contain anything, also ')'.
  const auto open = text.find('(');
  const auto close = text.rfind(')');
  if (open == std::string::npos || close == std::string::npos) return std::nullopt;
  Descendant process;
  process.pid = pid;
  process.name = text.substr(open + 1, close - open - 1);
  std::istringstream fields(text.substr(close + 1));
  fields >> process.state >> process.parent;
  constexpr int kFieldsBetweenParentAndStart = 17;
  std::string ignored;
  for (int i = 0; i < kFieldsBetweenParentAndStart; ++i) fields >> ignored;
  fields >> process.start;
  return fields ? std::optional(process) : std::nullopt;
}

std::vector<Descendant> all_processes() {
  std::vector<Descendant> processes;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc"), ::closedir);
  if (!directory) return processes;
  while (const dirent* entry = ::readdir(directory.get())) {
    pid_t pid = 0;
    const char* end = entry->d_name + std::strlen(entry->d_name);
    const auto [stop, error] = std::from_chars(entry->d_name, end, pid);
    if (error != std::errc() || stop != end) continue;
    if (auto process = read_process(pid)) processes.push_back(std::move(*process));
  }
  return processes;
}

// Between reading /proc and the signal the process may end, and its number may already be somebody else's.
bool kill_exactly(const Descendant& process) {
  const shm::UniqueFd handle(open_pidfd(process.pid));
  if (!handle.valid()) return errno == ESRCH;
  const auto now = read_process(process.pid);
  if (!now || now->start != process.start) return true;
  return send_signal(handle.get(), SIGKILL) == 0 || errno == ESRCH;
}

/// Reaps what has ended. False when there is no child left at all.
bool reap_all() {
  while (true) {
    const pid_t reaped = ::waitpid(-1, nullptr, WNOHANG);
    if (reaped == 0) return true;
    if (reaped < 0 && errno != EINTR) return false;
  }
}

void report(const char* what, const std::vector<Descendant>& processes) {
  for (const Descendant& process : processes) {
    std::fprintf(stderr, "sluice launch: %s process %d (%s, state %c)\n", what, static_cast<int>(process.pid),
                 process.name.c_str(), process.state);
  }
}

}  // namespace

std::vector<Descendant> descendants_of(pid_t ancestor) {
  std::multimap<pid_t, Descendant> by_parent;
  for (Descendant& process : all_processes()) by_parent.emplace(process.parent, std::move(process));
  std::vector<Descendant> found;
  std::vector<pid_t> open{ancestor};
  while (!open.empty()) {
    const pid_t parent = open.back();
    open.pop_back();
    const auto [first, last] = by_parent.equal_range(parent);
    for (auto child = first; child != last; ++child) {
      found.push_back(child->second);
      open.push_back(child->second.pid);
    }
    by_parent.erase(first, last);  // A number reused while we read could otherwise make a circle.
  }
  return found;
}

void kill_descendants(const std::function<void(const Descendant&)>& on_kill) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kPatience = std::chrono::seconds(5);
  Clock::time_point next_report = Clock::now() + kPatience;
  Clock::time_point last_signal = Clock::now();
  auto pause = std::chrono::milliseconds(1);
  std::set<std::pair<pid_t, unsigned long long>> told;
  while (reap_all()) {
    std::vector<Descendant> left = descendants_of(::getpid());
    for (const Descendant& process : left) {
      if (process.state == 'Z') continue;
      if (told.emplace(process.pid, process.start).second) on_kill(process);
      if (kill_exactly(process)) last_signal = Clock::now();
    }
    if (Clock::now() >= next_report) {
      const bool hopeless = Clock::now() - last_signal >= kPatience;
      report(hopeless ? "leaving behind, not allowed to kill," : "waiting for the end of", left);
      if (hopeless) return;
      next_report = Clock::now() + kPatience;
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::milliseconds(50));
  }
}

}  // namespace sluice::launch
