#include <sluice/shm/process_identity.hpp>

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace sluice::shm {

namespace {

/// The command name in /proc/PID/stat is in parentheses and may itself contain spaces and parentheses; the fields are
/// counted from behind the last one. Source: proc(5).
std::uint64_t read_start_time() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  if (!std::getline(file, line)) return 0;
  const std::size_t end_of_name = line.rfind(')');
  if (end_of_name == std::string::npos) return 0;
  std::istringstream fields(line.substr(end_of_name + 1));
  std::string field;
  constexpr int kFirstFieldAfterName = 3;
  constexpr int kStartTime = 22;
  for (int number = kFirstFieldAfterName; fields >> field; ++number) {
    if (number == kStartTime) return std::strtoull(field.c_str(), nullptr, 10);
  }
  return 0;
}

std::string read_executable() {
  std::array<char, 4096> path{};
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size());
  if (length <= 0) return "?";
  const std::string text(path.data(), static_cast<std::size_t>(length));
  return text.substr(text.rfind('/') + 1);
}

}  // namespace

ProcessIdentity ProcessIdentity::self() { return {::getpid(), read_start_time(), read_executable()}; }

}  // namespace sluice::shm
