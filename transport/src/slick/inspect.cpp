#include <sluice/slick/inspect.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <bit>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>
#include <tuple>

#include <sluice/error.hpp>
#include <sluice/shm/unique_fd.hpp>
#include <sluice/slick/segment.hpp>

#include "slick/segment_file.hpp"

namespace sluice::slick {

namespace {

std::string what_is_wrong(const SegmentInfo& info, int fd) {
  if (!std::has_single_bit(info.capacity) || info.element_size == 0) {
    return "no SlickQueue segment: capacity " + std::to_string(info.capacity) + ", element size " +
           std::to_string(info.element_size);
  }
  const std::uint64_t needed = ring_segment_size(info.capacity, info.element_size);
  if (info.file_size < needed) {
    return "truncated: " + std::to_string(info.file_size) + " bytes, but its header needs " + std::to_string(needed);
  }
  if (info.state == InitState::initialising) return "its creator is still initialising it, or died there";
  if (!slots_are_initialised(fd, info.capacity)) return "its slots are not initialised";
  return {};
}

/// Walks the last lap from its first message on, as a reader would.
void survey(SegmentInfo& info, const std::vector<SlotBytes>& slots) {
  const std::uint64_t mask = info.capacity - 1;
  std::uint64_t k = info.reserved > info.capacity ? info.reserved - info.capacity : 0;
  while (info.reserved > info.capacity && k < info.reserved && slots[k & mask].data_index != k) ++k;
  while (k < info.reserved) {
    const SlotBytes& slot = slots[k & mask];
    if (slot.data_index == k && slot.size != 0 && slot.size <= info.capacity - (k & mask)) {
      ++info.messages;
      info.newest = k;
      k += slot.size;
    } else if (sends_on(slot.data_index, k, mask, info.reserved)) {
      k = slot.data_index;
    } else {
      ++info.holes;
      ++k;
    }
  }
}

/// Nothing when it cannot be opened or is no file.
std::optional<SegmentInfo> look(const std::string& path) {
  const shm::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat file {};
  if (!fd.valid() || ::fstat(fd.get(), &file) != 0) return std::nullopt;
  SegmentInfo info;
  info.path = path;
  info.file_size = static_cast<std::uint64_t>(file.st_size);
  info.mode = file.st_mode & 07777U;
  info.uid = file.st_uid;
  const auto header = S_ISREG(file.st_mode) ? read_header(fd.get()) : std::nullopt;
  if (!header || header->init_state > static_cast<std::uint32_t>(InitState::ready)) {
    info.problem = "no SlickQueue segment";
    return info;
  }
  info.capacity = header->capacity;
  info.element_size = header->element_size;
  info.state = InitState{header->init_state};
  info.tracks_last_published = info.state == InitState::ready && header->magic == kRingMagic;
  info.reserved = reserved_index(header->reserved);
  info.reserved_size = reserved_size(header->reserved);
  if (info.tracks_last_published && header->last_published != kNoIndex) info.last_published = header->last_published;
  info.problem = what_is_wrong(info, fd.get());
  if (!info.problem.empty()) return info;
  std::vector<SlotBytes> slots;
  for_each_slot(fd.get(), info.capacity, [&](const SlotBytes& slot) {
    slots.push_back(slot);
    return true;
  });
  if (slots.size() == info.capacity) survey(info, slots);
  return info;
}

/// Device (major, minor) and inode, as /proc/PID/maps has them.
using FileNumbers = std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>;

FileNumbers numbers_of(const struct stat& file) { return {major(file.st_dev), minor(file.st_dev), file.st_ino}; }

/// What a process has mapped; nothing when we may not look.
std::optional<std::set<FileNumbers>> files_mapped_by(const std::string& process) {
  std::ifstream lines(process + "/maps");
  if (!lines) return std::nullopt;
  std::set<FileNumbers> files;
  std::string range;
  std::string rights;
  std::string offset;
  std::string device;
  std::uint64_t inode = 0;
  for (std::string line; lines >> range >> rights >> offset >> device >> inode && std::getline(lines, line);) {
    const auto colon = device.find(':');
    if (inode == 0) continue;
    files.emplace(std::stoul(device.substr(0, colon), nullptr, 16), std::stoul(device.substr(colon + 1), nullptr, 16),
                  inode);
  }
  return files;
}

/// Whether a process that we may not look into could have the file mapped. The system's own processes (root's) do not
/// use other people's segments.
bool might_map(const std::string& process, const struct stat& file) {
  struct stat owner {};
  if (::stat(process.c_str(), &owner) != 0) return false;  // it ended meanwhile
  if (owner.st_uid == file.st_uid) return true;
  return owner.st_uid != 0 && (file.st_mode & (S_IRGRP | S_IROTH)) != 0;
}

}  // namespace

std::string SegmentInfo::written_by() const {
  switch (state) {
    case InitState::unversioned: return "1.2.x or Python";
    case InitState::legacy: return "1.3.0 or adopted";
    case InitState::initialising: return "1.4.0, unfinished";
    case InitState::ready: return "1.4.0";
  }
  return "unknown";
}

SegmentInfo inspect_segment(const std::string& name) {
  const std::string path = segment_path(name);
  if (auto info = look(path)) return std::move(*info);
  if (errno == ENOENT) throw_absent(path);
  throw SystemError("cannot open segment '" + path + "'", errno);
}

std::vector<SegmentInfo> list_segments() {
  std::vector<SegmentInfo> segments;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm", error)) {
    std::error_code ignored;
    if (!entry.is_regular_file(ignored)) continue;
    auto info = look(entry.path().string());
    if (info && info->problem.empty()) segments.push_back(std::move(*info));
  }
  std::sort(segments.begin(), segments.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  return segments;
}

Mappers who_maps(const std::string& path) { return who_maps(std::vector{path}).front(); }

std::vector<Mappers> who_maps(const std::vector<std::string>& paths) {
  std::vector<Mappers> answers(paths.size());
  std::vector<std::pair<struct stat, Mappers*>> files;
  for (std::size_t k = 0; k < paths.size(); ++k) {
    struct stat file {};
    if (::stat(paths[k].c_str(), &file) == 0) files.emplace_back(file, &answers[k]);
  }
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const auto mapped = files_mapped_by(entry.path().string());
    const bool refused = !mapped && errno == EACCES;
    std::string executable;
    for (const auto& [file, mappers] : files) {
      if (refused && might_map(entry.path().string(), file)) mappers->complete = false;
      if (!mapped || !mapped->contains(numbers_of(file))) continue;
      if (executable.empty()) std::getline(std::ifstream(entry.path() / "comm"), executable);
      mappers->processes.push_back({static_cast<pid_t>(std::stol(name)), executable});
    }
  }
  return answers;
}

}  // namespace sluice::slick
