#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include <sluice/shm/access.hpp>

#include "commands/doctor_checks.hpp"

namespace sluice::commands {

namespace {

constexpr const char* kName = "runtime directory";

bool in_group(gid_t group) {
  if (::getegid() == group) return true;
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(0, ::getgroups(0, nullptr))));
  const int count = ::getgroups(static_cast<int>(groups.size()), groups.data());
  return count > 0 && std::find(groups.begin(), groups.end(), group) != groups.end();
}

/// What others may do with the directory beyond what `mode` of the files gives them.
bool too_open(mode_t directory, std::uint32_t files) { return (directory & 0022U & ~files) != 0; }

/// A directory of the domain that exists. Nothing: all is well.
std::optional<Check> wrong_with(const std::string& path, const struct stat& info, const DomainSettings& domain,
                                const User& user) {
  const std::string owner =
      "belongs to " + shm::user_text(info.st_uid) + ", mode " + shm::mode_text(info.st_mode & 0777U);
  if (S_ISLNK(info.st_mode)) {
    return Check{kName, Verdict::failed, "'" + path + "' is a symbolic link, which is never followed",
                 "remove it, or set 'runtime_dir' to what it points to"};
  }
  if (!S_ISDIR(info.st_mode)) {
    return Check{kName, Verdict::failed, "'" + path + "' is no directory", "remove it, or set another 'runtime_dir'"};
  }
  if (info.st_uid != user.id && info.st_uid != 0 && domain.group.empty()) {
    return Check{kName, Verdict::failed, "'" + path + "' " + owner + ", and you are " + user.name,
                 "set another 'runtime_dir', or share it with 'group' and 'mode'"};
  }
  if (too_open(info.st_mode, domain.mode)) {
    return Check{kName, Verdict::failed, "'" + path + "' " + owner + ": others may write into it",
                 "'chmod go-w " + path + "', or set 'mode' and 'group' to share it"};
  }
  if (::access(path.c_str(), R_OK | W_OK | X_OK) != 0) {
    return Check{kName, Verdict::failed, "'" + path + "' " + owner + ", and " + user.name + " may not use it",
                 "set another 'runtime_dir', or share it with 'group' and 'mode'"};
  }
  return std::nullopt;
}

/// Of a directory that is not there: whether it can be made.
Check to_be_made(const std::string& path, const User& user) {
  const std::string above = existing_directory(path);
  if (::access(above.c_str(), W_OK | X_OK) == 0) {
    return {kName, Verdict::ok, "'" + path + "' is not there yet; the first process makes it", ""};
  }
  return {kName, Verdict::failed,
          "'" + path + "' is not there, and " + user.name + " may not make it in '" + above + "'",
          "set 'runtime_dir' to a directory in /dev/shm"};
}

}  // namespace

Check check_runtime_directory(const DomainSettings& domain, const User& user) {
  struct stat info {};
  for (const std::string& path : {domain.runtime_dir, domain.directory()}) {
    if (::lstat(path.c_str(), &info) != 0) return to_be_made(path, user);
    if (auto wrong = wrong_with(path, info, domain, user)) return *wrong;
  }
  return {kName, Verdict::ok,
          "'" + domain.directory() + "' belongs to " + shm::user_text(info.st_uid) + ", mode " +
              shm::mode_text(info.st_mode & 0777U),
          ""};
}

Check check_group(const DomainSettings& domain) {
  if (domain.group.empty()) return {"group", Verdict::ok, "none is configured: the domain is its owner's alone", ""};
  const auto group = shm::find_group(domain.group);
  if (!group) {
    return {"group", Verdict::failed, "there is no group '" + domain.group + "' on this machine",
            "'groupadd " + domain.group + "', or change 'group'"};
  }
  if (::geteuid() != 0 && !in_group(*group)) {
    return {"group", Verdict::failed, "you are no member of group '" + domain.group + "'",
            "'usermod -aG " + domain.group + " " + shm::user_text(::geteuid()) + "' and log in anew"};
  }
  return {"group", Verdict::ok, "'" + domain.group + "' shares the domain, mode " + shm::mode_text(domain.mode), ""};
}

}  // namespace sluice::commands
