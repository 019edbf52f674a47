#include <sluice/eshm/inspect.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <filesystem>
#include <optional>

#include <sluice/error.hpp>
#include <sluice/shm/deadline.hpp>
#include <sluice/shm/kill_point.hpp>
#include <sluice/shm/sleep.hpp>
#include <sluice/shm/unique_fd.hpp>

namespace sluice::eshm {

namespace {

constexpr std::string_view kPrefix = "eshm_";

/// A file that is looked at: its header is mapped for reading, the rest read with pread.
struct Looked {
  ChannelInfo info;
  shm::Mapping header;
  shm::FileLock lock;
  RemoteWatch watches[2];
};

std::optional<Looked> open_channel(const std::string& path) {
  Looked looked;
  looked.info.path = path;
  const shm::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.valid() && errno == ENOENT) return std::nullopt;
  struct stat info {};
  if ((fd.valid() ? ::fstat(fd.get(), &info) : ::lstat(path.c_str(), &info)) != 0) return std::nullopt;
  looked.info.file_size = static_cast<std::uint64_t>(info.st_size);
  looked.info.mode = info.st_mode & 0777U;
  looked.info.uid = info.st_uid;
  if (!S_ISREG(info.st_mode)) {
    looked.info.problem = "not a regular file";
  } else if (!fd.valid()) {
    looked.info.problem = "may not be read by this user";
  } else if (looked.info.file_size < sizeof(Header)) {
    looked.info.problem = "too short for a channel";
  } else {
    looked.header = shm::map_file(fd.get(), sizeof(Header), shm::MapMode::read_only, true, "channel '" + path + "'");
    looked.lock = shm::FileLock::reopen(fd.get(), "channel '" + path + "'", true);
    const Header& header = *looked.header.at<Header>(0);
    looked.info.version = header.version.load_relaxed();
    looked.info.max_sizes = max_sizes_of(looked.info.file_size);
    if (header.magic.load_relaxed() != kMagic) {
      looked.info.problem = "no ESHM segment (wrong magic)";
    } else if (looked.info.version != 2 && looked.info.version != 3) {
      looked.info.problem = "of unknown protocol version " + std::to_string(looked.info.version);
    } else if (looked.info.max_sizes.most == 0) {
      looked.info.problem = "no channel is that long; truncated or overwritten";
    }
  }
  return looked;
}

DirectionInfo read_direction(int fd, Side writer, std::size_t max_size) {
  const auto start = static_cast<off_t>(mailbox_offset(writer, max_size));
  std::uint32_t head[2] = {};
  std::uint64_t tail[2] = {};
  if (::pread(fd, head, sizeof head, start) != sizeof head ||
      ::pread(fd, tail, sizeof tail, start + static_cast<off_t>(mailbox_tail_offset(max_size))) != sizeof tail) {
    return {};
  }
  return {head[0], head[1], tail[0], tail[1]};
}

/// The one size that an unknown segment most probably was made for.
std::size_t probable_max_size(const MaxSizes& sizes) {
  const bool holds_default = sizes.least <= kDefaultMaxSize && kDefaultMaxSize <= sizes.most;
  return holds_default ? kDefaultMaxSize : sizes.most / 64 * 64;
}

void read_words(Looked& looked) {
  ChannelInfo& info = looked.info;
  Header& header = *looked.header.at<Header>(0);
  info.stale_threshold = header.stale_threshold.load_relaxed();
  info.generation = header.master_generation.load_relaxed();
  const std::size_t max_size = probable_max_size(info.max_sizes);
  info.master_to_slave = read_direction(looked.lock.fd(), Side::master, max_size);
  info.slave_to_master = read_direction(looked.lock.fd(), Side::slave, max_size);
  for (const Side side : {Side::master, Side::slave}) {
    const SideWords words = side_words(header, side);
    const RemoteWatch& watch = looked.watches[static_cast<int>(side)];
    SideInfo& info_of_side = side == Side::master ? info.master : info.slave;
    info_of_side.pid = words.pid.load_relaxed();
    info_of_side.heartbeat = words.heartbeat.load_relaxed();
    info_of_side.ours = looked.lock.held_by_other(presence_lock(side));
    info_of_side.silence = watch.silence();
    info_of_side.state = watch.state();
    const bool left = words.alive.load_relaxed() == 0 && info_of_side.pid != 0;
    if (info_of_side.state == RemoteState::unknown && left) info_of_side.state = RemoteState::dead;
  }
}

/// Looks at all of them until every side's state is known or the time is over.
void watch_all(std::vector<Looked>& channels, std::chrono::nanoseconds most) {
  const shm::Deadline deadline = shm::Deadline::after(most);
  for (Looked& looked : channels) {
    for (const Side side : {Side::master, Side::slave}) {
      if (looked.info.problem.empty()) {
        // A threshold below what we look for: whoever has stood still all the time is stale.
        looked.watches[static_cast<int>(side)] = RemoteWatch(
            *looked.header.at<Header>(0), side, std::chrono::duration_cast<std::chrono::milliseconds>(most * 9 / 10));
      }
    }
  }
  for (bool undecided = true; undecided;) {
    undecided = false;
    for (Looked& looked : channels) {
      if (!looked.info.problem.empty()) continue;
      for (const Side side : {Side::master, Side::slave}) {
        const bool there = side_words(*looked.header.at<Header>(0), side).alive.load_relaxed() != 0;
        const RemoteState state = looked.watches[static_cast<int>(side)].look(shm::monotonic_ns(), looked.lock);
        if (there && state == RemoteState::unknown) undecided = true;
      }
    }
    if (!undecided || deadline.passed()) return;
    shm::sleep_for(std::chrono::milliseconds{2});
  }
}

std::vector<ChannelInfo> finish(std::vector<Looked>& channels, std::chrono::nanoseconds watch) {
  watch_all(channels, watch);
  std::vector<ChannelInfo> infos;
  for (Looked& looked : channels) {
    if (looked.info.problem.empty()) read_words(looked);
    infos.push_back(std::move(looked.info));
  }
  return infos;
}

std::vector<std::string> channel_files() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm", error)) {
    std::string name = entry.path().filename().string();
    if (name.rfind(kPrefix, 0) == 0) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// An original's creator needs microseconds from giving the name to writing the magic.
bool died_while_creating(const struct stat& info, const Header* header) {
  constexpr time_t kCreatorNeeds = 2;  // seconds
  if (header != nullptr && header->magic.load_relaxed() != 0) return false;
  return ::time(nullptr) - info.st_mtime > kCreatorNeeds;
}

bool is_dead(int fd, const struct stat& info, const shm::FileLock& lock, const std::string& path) {
  if (static_cast<std::size_t>(info.st_size) < sizeof(Header)) return died_while_creating(info, nullptr);
  const shm::Mapping mapping =
      shm::map_file(fd, sizeof(Header), shm::MapMode::read_write, true, "channel '" + path + "'");
  Header& header = *mapping.at<Header>(0);
  if (died_while_creating(info, &header)) return true;
  if (header.magic.load_relaxed() != kMagic) return false;
  return who_occupies(header, Side::master, lock) == Occupied::no &&
         who_occupies(header, Side::slave, lock) == Occupied::no;
}

}  // namespace

std::vector<ChannelInfo> list_channels(std::chrono::nanoseconds watch) {
  std::vector<Looked> channels;
  for (const std::string& name : channel_files()) {
    if (auto looked = open_channel("/dev/shm/" + name)) channels.push_back(std::move(*looked));
  }
  return finish(channels, watch);
}

ChannelInfo inspect_channel(const std::string& name, std::chrono::nanoseconds watch) {
  const std::string path = segment_path(name);
  std::vector<Looked> channels;
  if (auto looked = open_channel(path)) channels.push_back(std::move(*looked));
  if (channels.empty()) {
    std::vector<std::string> names;
    for (const std::string& file : channel_files()) names.push_back(file.substr(kPrefix.size()));
    throw Error("there is no channel '" + name + "' ('" + path + "' does not exist)" + did_you_mean(name, names));
  }
  return finish(channels, watch).front();
}

bool remove_dead_channel(const std::string& path) noexcept {
  try {
    const shm::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    struct stat info {};
    if (!fd.valid() || ::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
    shm::FileLock lock = shm::FileLock::reopen(fd.get(), "channel '" + path + "'");
    if (!lock.try_lock_exclusive(kUseLock)) return false;
    if (!is_dead(fd.get(), info, lock, path)) return false;
    SLUICE_KILL_POINT("channel.found_dead");
    return shm::name_means(path, info.st_ino) && ::unlink(path.c_str()) == 0;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace sluice::eshm
