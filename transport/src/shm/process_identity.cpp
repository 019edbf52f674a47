#include <sluice/shm/process_identity.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>

namespace sluice::shm {

namespace {

/// What /proc/PID/stat says of a process.
struct ProcessStatus {
  char state = 0;                ///< Field 3; 0: the process is not there, or hidden.
  std::uint64_t start_time = 0;  ///< Field 22.
};

/// The command name is in parentheses and may itself contain spaces and parentheses; the fields are counted from behind
/// the last one. Source: proc(5).
ProcessStatus read_status(const char* path) noexcept {
  std::array<char, 1024> text{};
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  const ssize_t length = ::read(fd, text.data(), text.size() - 1);
  ::close(fd);
  const char* end_of_name = length > 0 ? std::strrchr(text.data(), ')') : nullptr;
  if (end_of_name == nullptr || end_of_name[1] == 0) return {};
  const char* field = end_of_name + 2;
  ProcessStatus status{*field, 0};
  constexpr int kState = 3;
  constexpr int kStartTime = 22;
  for (int number = kState; number < kStartTime; ++number) {
    field = std::strchr(field, ' ');
    if (field == nullptr) return status;
    ++field;
  }
  status.start_time = std::strtoull(field, nullptr, 10);
  return status;
}

std::string read_executable() {
  std::array<char, 4096> path{};
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size());
  if (length <= 0) return "?";
  const std::string text(path.data(), static_cast<std::size_t>(length));
  return text.substr(text.rfind('/') + 1);
}

}  // namespace

ProcessIdentity ProcessIdentity::self() {
  return {::getpid(), read_status("/proc/self/stat").start_time, read_executable()};
}

bool process_is_stopped(std::uint32_t pid, std::uint64_t start_time) noexcept {
  std::array<char, 32> path{"/proc/"};
  char* end = std::to_chars(path.data() + 6, path.data() + 16, pid).ptr;
  std::memcpy(end, "/stat", 6);
  const ProcessStatus status = read_status(path.data());
  return (status.state == 'T' || status.state == 't') && status.start_time == start_time && start_time != 0;
}

}  // namespace sluice::shm
