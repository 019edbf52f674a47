#include <sluice/shm/access.hpp>

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <fstream>
#include <vector>

#include <sluice/shm/kill_point.hpp>
#include <sluice/shm/unique_fd.hpp>

namespace sluice::shm {

namespace {

/// Directories that others remove between two of our steps; also the answer of file systems that have no mkdir (/proc).
constexpr int kMostAttempts = 100;

gid_t group_id(const std::string& name, const std::string& what) {
  const auto found = find_group(name);
  if (!found) throw Error(what + ": there is no group '" + name + "' on this machine; create it or change 'group'");
  return *found;
}

/// Whoever may open the files must be able to pass through the directory.
mode_t directory_mode(std::uint32_t file_mode) {
  const mode_t readers = (file_mode & 0444U) >> 2U;
  return static_cast<mode_t>(file_mode | readers);
}

/// Dying between making a directory and opening it for others leaves one that only we can use.
bool unfinished(int fd, const Access& access) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && info.st_uid == ::geteuid() && (info.st_mode & 0777U) == 0700 &&
         (directory_mode(access.mode) != 0700 || !access.group.empty());
}

void check_existing_directory(int fd, const std::string& path, bool last, const Access& access) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) throw SystemError("cannot examine directory '" + path + "'", errno);
  if (!last) return;
  const uid_t self = ::geteuid();
  if (info.st_uid != self && info.st_uid != 0 && access.group.empty()) {
    throw Error("runtime directory '" + path + "' belongs to user " + std::to_string(info.st_uid) + ", not to user " +
                std::to_string(self) + "; remove it, choose another 'runtime_dir', or share it with 'group'");
  }
  const mode_t excess = info.st_mode & 0022U & ~directory_mode(access.mode);
  if (excess != 0) {
    throw Error("runtime directory '" + path + "' may be written by others (mode " +
                std::to_string((info.st_mode >> 6U) & 7U) + std::to_string((info.st_mode >> 3U) & 7U) +
                std::to_string(info.st_mode & 7U) + "); remove it or set 'mode' and 'group' to share it");
  }
}

}  // namespace

std::optional<std::uint32_t> find_group(const std::string& name) {
  gid_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error == std::errc{} && end == name.data() + name.size()) return number;
  struct group entry {};
  struct group* found = nullptr;
  std::vector<char> buffer(16384);
  if (::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return {};
  return found->gr_gid;
}

std::string mode_text(std::uint32_t mode) {
  std::string text(4, '0');
  for (std::size_t digit = text.size(); digit > 0; mode >>= 3U) text[--digit] = static_cast<char>('0' + (mode & 7U));
  return text;
}

std::string user_text(std::uint32_t uid) {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> buffer(16384);
  const bool known = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr;
  return known ? std::string(entry.pw_name) : "user " + std::to_string(uid);
}

Access umask_access(std::uint32_t mode) {
  // Reading the mask with umask() would change it for a moment under other threads' feet.
  constexpr std::uint32_t kUsualMask = 022;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("Umask:", 0) == 0)
      return {mode & ~static_cast<std::uint32_t>(std::stoul(line.substr(6), nullptr, 8)), {}};
  }
  return {mode & ~kUsualMask, {}};
}

void apply_access(int fd, const Access& access, const std::string& what) {
  if (!access.group.empty() && ::fchown(fd, static_cast<uid_t>(-1), group_id(access.group, what)) != 0) {
    throw SystemError(what + ": cannot give the file to group '" + access.group + "'", errno);
  }
  if (::fchmod(fd, static_cast<mode_t>(access.mode)) != 0) {
    throw SystemError(what + ": cannot set the file's mode", errno);
  }
}

void apply_access_to_path(const std::string& path, const Access& access, const std::string& what) {
  if (!access.group.empty() && ::chown(path.c_str(), static_cast<uid_t>(-1), group_id(access.group, what)) != 0) {
    throw SystemError(what + ": cannot give it to group '" + access.group + "'", errno);
  }
  if (::chmod(path.c_str(), static_cast<mode_t>(access.mode)) != 0) {
    throw SystemError(what + ": cannot set its mode", errno);
  }
}

void ensure_directory(const std::string& path, const Access& access) {
  if (path.empty() || path.front() != '/') throw Error("directory '" + path + "' is not an absolute path");
  int removed = 0;
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const bool last = end == std::string::npos;
    const std::string part = path.substr(0, end);
    const bool made = ::mkdir(part.c_str(), 0700) == 0;
    if (!made && errno == ENOENT && ++removed < kMostAttempts) {  // the one above it went since our last step
      end = 0;
      continue;
    }
    if (!made && errno != EEXIST) {
      const bool rights = errno == EACCES || errno == EPERM;
      throw SystemError("cannot make directory '" + part + "'" +
                            (rights ? " (set another 'runtime_dir', or share this one with 'mode' and 'group')" : ""),
                        errno);
    }
    // Our own directories may not be symbolic links: somebody who prepared one would receive our files.
    const UniqueFd fd(::open(part.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC | (last || made ? O_NOFOLLOW : 0)));
    if (!fd.valid()) {
      if (errno == ENOENT) {  // somebody removed it again, being the last to leave: once more from the start
        end = 0;
        continue;
      }
      throw SystemError("'" + part + "' cannot be used as a directory (is it a file or a symbolic link?)", errno);
    }
    if (made || (last && unfinished(fd.get(), access))) {
      SLUICE_KILL_POINT("directory.made");
      const UniqueFd writable(::open(part.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
      if (writable.valid()) {
        apply_access(writable.get(), {directory_mode(access.mode), access.group}, "directory '" + part + "'");
      }
    } else {
      check_existing_directory(fd.get(), part, last, access);
    }
    if (last) return;
  }
}

}  // namespace sluice::shm
