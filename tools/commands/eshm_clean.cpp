#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <iostream>
#include <vector>

#include <nlohmann/json.hpp>

#include <sluice/error.hpp>
#include <sluice/eshm/inspect.hpp>
#include <sluice/eshm/presence.hpp>
#include <sluice/shm/access.hpp>
#include <sluice/shm/unique_fd.hpp>
#include <sluice/slick/inspect.hpp>

#include "commands/eshm_commands.hpp"

namespace sluice::commands {

namespace {

/// What is to be done with a channel, and why.
struct Judgement {
  bool dead = false;
  std::string reason;
};

/// Who is there, as the kernel and the heartbeat say; empty: nobody.
std::string living(eshm::Header& header, const shm::FileLock& lock) {
  for (const eshm::Side side : {eshm::Side::master, eshm::Side::slave}) {
    const eshm::Occupied occupied = eshm::who_occupies(header, side, lock);
    if (occupied == eshm::Occupied::no) continue;
    return std::string("its ") + eshm::name_of(side) + " lives, pid " +
           std::to_string(eshm::side_words(header, side).pid.load_relaxed()) +
           (occupied == eshm::Occupied::by_others ? ", a program without Sluice" : "");
  }
  return lock.held_by_other(eshm::kUseLock) ? "a program of Sluice reads or writes it" : "";
}

/// A program without heartbeat threads, or one that is stopped in a debugger, has no other sign of life.
std::string mapped_by(const std::string& path) {
  const slick::Mappers mappers = slick::who_maps(path);
  for (const auto& process : mappers.processes) {
    return "its heartbeats stand still, but " + process.executable + " (pid " + std::to_string(process.pid) +
           ") has it mapped: stopped, or without heartbeat threads";
  }
  return {};
}

std::string last_seen(const eshm::ChannelInfo& info) {
  std::string text;
  for (const auto* side : {&info.master, &info.slave}) {
    text += side == &info.master ? "master " : ", slave ";
    text += side->state == eshm::RemoteState::unknown ? "never there" : "dead";
    if (side->pid != 0) text += " (was pid " + std::to_string(side->pid) + ")";
  }
  return text;
}

/// remove_dead_channel judges once more, under a lock; here it is put into words.
Judgement judge(const eshm::ChannelInfo& info) {
  const shm::UniqueFd fd(::open(info.path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status {};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0) {
    if (errno == EACCES || errno == EPERM) {
      return {false, "it belongs to " + shm::user_text(info.uid) + ", and you may not write it"};
    }
    return {false, info.problem.empty() ? "it cannot be opened" : info.problem};
  }
  if (!S_ISREG(status.st_mode)) return {false, "it is not a regular file"};
  const auto lock = shm::FileLock::reopen(fd.get(), "channel '" + info.path + "'");
  shm::Mapping mapping;
  const bool has_header = static_cast<std::size_t>(status.st_size) >= sizeof(eshm::Header);
  if (has_header) {
    mapping = shm::map_file(fd.get(), sizeof(eshm::Header), shm::MapMode::read_write, true, info.path);
  }
  if (!has_header || mapping.at<eshm::Header>(0)->magic.load_relaxed() == 0) {
    constexpr time_t kCreatorNeeds = 2;
    const bool old = ::time(nullptr) - status.st_mtime > kCreatorNeeds;
    return {old, old ? "its creator died before it was complete" : "it was made a moment ago and is not complete yet"};
  }
  eshm::Header& header = *mapping.at<eshm::Header>(0);
  if (header.magic.load_relaxed() != eshm::kMagic) return {false, "it is no ESHM segment; rm it if nobody needs it"};
  std::string reason = living(header, lock);
  mapping = {};
  if (reason.empty()) reason = mapped_by(info.path);
  if (!reason.empty()) return {false, reason};
  return {true, last_seen(info)};
}

std::string owner_note(const eshm::ChannelInfo& info) {
  return info.uid == ::geteuid() ? "" : "; it belonged to " + shm::user_text(info.uid);
}

}  // namespace

int eshm_clean(const Common& common, const EshmCleanOptions& options) {
  std::vector<eshm::ChannelInfo> channels;
  if (options.names.empty()) channels = eshm::list_channels();
  for (const std::string& name : options.names) channels.push_back(eshm::inspect_channel(name));
  auto removed = nlohmann::json::array();
  auto kept = nlohmann::json::array();
  for (const auto& info : channels) {
    Judgement verdict = judge(info);
    if (verdict.dead && !options.dry_run && !eshm::remove_dead_channel(info.path)) {
      verdict = {false,
                 "it could not be removed: somebody came, or you may not remove files of " + shm::user_text(info.uid)};
    }
    const nlohmann::json row{{"path", info.path}, {"reason", verdict.reason}};
    if (verdict.dead) {
      removed.push_back(row);
      if (common.json) continue;
      std::printf("%s %s: %s%s\n", options.dry_run ? "would remove" : "removed", info.path.c_str(),
                  verdict.reason.c_str(), owner_note(info).c_str());
    } else {
      kept.push_back(row);
      if (!common.json) std::fprintf(stderr, "kept %s: %s\n", info.path.c_str(), verdict.reason.c_str());
    }
  }
  if (common.json) {
    std::cout << nlohmann::json{{options.dry_run ? "would_remove" : "removed", removed}, {"kept", kept}}.dump(2)
              << "\n";
  }
  // The living are no failure, unless somebody asked for just that one.
  return kept.empty() || options.names.empty() ? 0 : 1;
}

}  // namespace sluice::commands
