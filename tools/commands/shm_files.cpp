#include "commands/shm_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <string_view>

#include <sluice/error.hpp>
#include <sluice/eshm/inspect.hpp>
#include <sluice/shm/segment.hpp>
#include <sluice/shm/unique_fd.hpp>

#include "commands/doctor_checks.hpp"

namespace sluice::commands {

namespace {

constexpr std::string_view kTopic = ".topic";
constexpr std::string_view kRecord = ".process";
constexpr std::string_view kSocket = ".control";

/// Where the kernel does not know when a file was made, the last change of its length tells.
double seconds_since(const struct statx& status) {
  const auto& made = (status.stx_mask & STATX_BTIME) != 0 ? status.stx_btime : status.stx_mtime;
  const auto now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  return std::max(0.0, now - static_cast<double>(made.tv_sec) - static_cast<double>(made.tv_nsec) / 1e9);
}

/// Nothing: it is gone.
std::optional<ShmFile> measure(const std::string& path) {
  struct statx status {};
  if (::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &status) != 0) {
    return std::nullopt;
  }
  ShmFile file;
  file.path = path;
  file.bytes = status.stx_blocks * 512;
  file.size = status.stx_size;
  file.uid = status.stx_uid;
  file.age = seconds_since(status);
  return file;
}

/// Nothing: no file that Sluice made.
std::optional<shm::SegmentHeader> header_of(const std::string& path, shm::SegmentKind kind) {
  const shm::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat info {};
  shm::SegmentHeader header{};
  if (!fd.valid() || ::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode) ||
      ::pread(fd.get(), &header, sizeof header, 0) != sizeof header || header.magic != shm::kSegmentMagic ||
      header.kind != static_cast<std::uint32_t>(kind) || header.size != static_cast<std::uint64_t>(info.st_size)) {
    return std::nullopt;
  }
  return header;
}

std::string stem_of(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  return name.substr(0, name.rfind('.'));
}

/// "imu.raw.topic" is the file of "/imu/raw"; a companion's name has what no topic's may have.
void identify_topic(ShmFile& file) {
  file.name = stem_of(file.path);
  file.kind = file.name.find('-') == std::string::npos ? ShmKind::topic : ShmKind::companion;
  if (file.kind == ShmKind::companion) return;
  std::replace(file.name.begin(), file.name.end(), '.', '/');
  file.name.insert(0, 1, '/');
}

void identify_process(ShmFile& file, const std::string& record) {
  file.name = stem_of(file.path);
  const auto header = header_of(record, shm::SegmentKind::process_record);
  if (!header) return;
  const std::string creator(header->creator.data(), ::strnlen(header->creator.data(), header->creator.size()));
  file.name = creator + " (" + std::to_string(header->creator_pid) + ")";
  file.users.processes.push_back({static_cast<pid_t>(header->creator_pid), creator});
}

bool readable_and_ours(const ShmFile& file) {
  if (::access(file.path.c_str(), R_OK) != 0) return true;  // another user's: it is not for us to judge
  return header_of(file.path, file.kind == ShmKind::record ? shm::SegmentKind::process_record : shm::SegmentKind::topic)
      .has_value();
}

void identify(ShmFile& file) {
  if (file.path.ends_with(kTopic)) {
    identify_topic(file);
  } else if (file.path.ends_with(kRecord)) {
    file.kind = ShmKind::record;
    identify_process(file, file.path);
  } else if (file.path.ends_with(kSocket)) {
    file.kind = ShmKind::socket;
    identify_process(file, file.path.substr(0, file.path.size() - kSocket.size()).append(kRecord));
  }
  if (file.kind == ShmKind::other || (file.kind != ShmKind::socket && !readable_and_ours(file))) {
    file.kind = ShmKind::other;
    file.name = file.path.substr(file.path.rfind('/') + 1);
    file.problem = "it is no Sluice file, and damages no other; rm it if nobody needs it";
    return;
  }
  file.state = in_use(file.path) ? ShmState::alive : ShmState::dead;
  if (file.state == ShmState::dead) file.users.processes.clear();
}

std::vector<std::string> paths_in(const std::string& directory) {
  std::vector<std::string> paths;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(directory, error);
       !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
    std::error_code gone;
    if (entry->symlink_status(gone).type() != std::filesystem::file_type::directory) {
      paths.push_back(entry->path().string());
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    throw SystemError("cannot read the domain's directory '" + directory +
                          "' (another user's? see 'mode' and 'group' in config/README.md)",
                      error.value());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

ShmState state_of(const eshm::ChannelInfo& info) {
  if (!info.problem.empty()) return ShmState::unknown;
  for (const auto* side : {&info.master, &info.slave}) {
    if (side->ours || side->state == eshm::RemoteState::alive) return ShmState::alive;
  }
  return ShmState::dead;
}

}  // namespace

const char* to_string(ShmKind kind) noexcept {
  switch (kind) {
    case ShmKind::topic: return "topic";
    case ShmKind::companion: return "companion";
    case ShmKind::record: return "record";
    case ShmKind::socket: return "socket";
    case ShmKind::slick_queue: return "slick queue";
    case ShmKind::eshm: return "eshm channel";
    case ShmKind::other: break;
  }
  return "other";
}

const char* to_string(ShmState state) noexcept {
  switch (state) {
    case ShmState::alive: return "alive";
    case ShmState::late: return "late";
    case ShmState::dead: return "dead";
    case ShmState::unused: return "unused";
    case ShmState::unknown: break;
  }
  return "unknown";
}

std::vector<ShmFile> domain_shm_files(const std::string& directory) {
  std::vector<ShmFile> files;
  for (const std::string& place : {directory + "/processes", directory}) {
    for (const std::string& path : paths_in(place)) {
      auto file = measure(path);
      if (!file) continue;
      identify(*file);
      files.push_back(std::move(*file));
    }
  }
  std::sort(files.begin(), files.end(), [](const ShmFile& a, const ShmFile& b) { return a.path < b.path; });
  return files;
}

std::vector<ShmFile> foreign_shm_files() {
  std::vector<ShmFile> files;
  const auto add = [&](const auto& info, ShmKind kind, ShmState state, const std::string& name) {
    auto file = measure(info.path);
    if (!file) return;
    file->kind = kind;
    file->state = state;
    file->name = name;
    file->problem = info.problem;
    files.push_back(std::move(*file));
  };
  for (const auto& info : slick::list_segments()) {
    add(info, ShmKind::slick_queue, ShmState::unused, info.path.substr(info.path.rfind('/')));
  }
  const std::size_t prefix = eshm::segment_path("x").size() - 1;
  for (const auto& info : eshm::list_channels()) add(info, ShmKind::eshm, state_of(info), info.path.substr(prefix));
  std::sort(files.begin(), files.end(), [](const ShmFile& a, const ShmFile& b) { return a.path < b.path; });
  return files;
}

void find_users(std::vector<ShmFile>& files) {
  std::vector<ShmFile*> mapped;
  std::vector<std::string> paths;
  for (ShmFile& file : files) {
    // Whoever watches the domain maps the others' records, too.
    if (file.kind == ShmKind::record || file.kind == ShmKind::socket || file.kind == ShmKind::other) continue;
    mapped.push_back(&file);
    paths.push_back(file.path);
  }
  const auto users = slick::who_maps(paths);
  for (std::size_t k = 0; k < mapped.size(); ++k) {
    ShmFile& file = *mapped[k];
    file.users = users[k];
    const bool nobody = file.users.processes.empty();
    const bool locked = file.kind == ShmKind::topic || file.kind == ShmKind::companion;
    // That nobody holds its lock is proof, whatever processes we may not look into.
    if (locked && file.state == ShmState::dead) file.users.complete = true;
    if (file.kind == ShmKind::slick_queue && !nobody) file.state = ShmState::alive;
    if (file.kind == ShmKind::slick_queue && nobody && !file.users.complete) file.state = ShmState::unknown;
    if (file.kind == ShmKind::eshm && !nobody && file.state == ShmState::dead) file.state = ShmState::late;
  }
}

}  // namespace sluice::commands
