#include <sluice/slick/segment.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <vector>

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/kill_point.hpp>
#include <sluice/shm/sleep.hpp>

#include "slick/segment_file.hpp"

namespace sluice::slick {

namespace {

constexpr std::chrono::milliseconds kPollPeriod{1};

/// What one look at the file said.
enum class Look { ready, wait, absent };

struct Found {
  Look look = Look::wait;
  InitState state = InitState::unversioned;
  std::uint32_t capacity = 0;
  std::uint32_t element_size = 0;
  std::uint64_t file_size = 0;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  bool magic = false;
};

Found look_at(int fd, const std::string& what) {
  Found found;
  struct stat info {};
  if (::fstat(fd, &info) != 0) throw SystemError(what + ": cannot examine it", errno);
  if (!S_ISREG(info.st_mode)) throw Error(what + " is not a regular file; remove it");
  found.file_size = static_cast<std::uint64_t>(info.st_size);
  found.device = info.st_dev;
  found.inode = info.st_ino;
  const auto header = read_header(fd);
  if (!header) return found;
  found.capacity = header->capacity;
  found.element_size = header->element_size;
  found.magic = header->magic == kRingMagic;
  if (header->init_state > static_cast<std::uint32_t>(InitState::ready)) {
    throw Error(what + " is not a SlickQueue segment (state " + std::to_string(header->init_state) +
                ", known are 0 to 3); remove it or choose another name");
  }
  found.state = InitState{header->init_state};
  const bool shaped = header->capacity != 0 && header->element_size != 0 &&
                      found.file_size >= ring_segment_size(header->capacity, header->element_size);
  switch (found.state) {
    case InitState::ready: found.look = Look::ready; break;
    case InitState::initialising: break;
    case InitState::legacy:
    case InitState::unversioned:
      if (shaped && slots_are_initialised(fd, header->capacity)) found.look = Look::ready;
      break;
  }
  return found;
}

[[noreturn]] void give_up(const Found& found, const std::string& what) {
  if (found.file_size < sizeof(RingHeader)) {
    throw Error(
        what + " has " + std::to_string(found.file_size) +
        " bytes, too short for a SlickQueue segment (64 bytes of header); its creator died or it is none: remove it");
  }
  if (found.state == InitState::initialising) {
    throw Error(what + ": its creator died while initialising it; remove it and start again");
  }
  throw Error(what + " is not a complete SlickQueue segment (capacity " + std::to_string(found.capacity) +
              ", element size " + std::to_string(found.element_size) + ", " + std::to_string(found.file_size) +
              " bytes); its creator died or it is none: remove it");
}

void check_shape(const Found& found, const SegmentRequest& request, const std::string& what) {
  if (request.element_size != 0 && found.element_size != request.element_size) {
    throw Error(what + " has elements of " + std::to_string(found.element_size) + " bytes, but elements of " +
                std::to_string(request.element_size) + " were asked for; give all programs the same element size");
  }
  if (found.element_size == 0) throw Error(what + " says that its elements have 0 bytes; remove it");
  if (!std::has_single_bit(found.capacity)) {
    throw Error(what + " says a capacity of " + std::to_string(found.capacity) +
                ", which is no power of two; remove it");
  }
  if (ring_segment_size(found.capacity, found.element_size) > found.file_size) {
    throw Error(what + " has " + std::to_string(found.file_size) + " bytes, but its header needs " +
                std::to_string(ring_segment_size(found.capacity, found.element_size)) + "; it is truncated: remove it");
  }
  if (request.capacity_required && found.capacity != request.capacity) {
    throw Error(what + " has a capacity of " + std::to_string(found.capacity) + " elements, but " +
                std::to_string(request.capacity) + " were asked for; give all programs the same capacity");
  }
}

/// Whether the segment stayed what it was. A 1.3.0 or 1.4.0 program that opens a segment in state 0 with a size takes
/// it for uninitialised and wipes it (hazard H7); in state 1 it attaches. 1.2.x and Python never look at the word.
bool adopt_segment(RingHeader& header) {
  auto expected = static_cast<std::uint32_t>(InitState::unversioned);
  auto& state = header.init_state;
  const bool adopted = state.compare_exchange_acq_rel(expected, static_cast<std::uint32_t>(InitState::legacy));
  SLUICE_KILL_POINT("ring.adopt.done");
  return adopted || expected == static_cast<std::uint32_t>(InitState::legacy);
}

RingMemory memory_of(const shm::Mapping& mapping, std::uint32_t capacity, std::uint32_t element_size, bool tracks) {
  auto* slots = mapping.at<RingSlot>(sizeof(RingHeader));
  return {
      mapping.at<RingHeader>(0), slots, reinterpret_cast<std::byte*>(slots + capacity), capacity, element_size, tracks};
}

/// open -> size -> state -> slots -> shape -> map -> adopt, everything under one deadline.
std::optional<Segment> try_attach(const SegmentRequest& request) {
  Segment segment;
  segment.path = segment_path(request.name);
  const std::string what = "segment '" + segment.path + "'";
  const shm::UniqueFd fd(
      ::open(segment.path.c_str(), (request.read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.valid()) {
    if (errno == ENOENT) return std::nullopt;
    throw SystemError("cannot open " + what, errno);
  }
  const shm::Deadline deadline = shm::Deadline::after(request.patience);
  for (;;) {
    const Found found = look_at(fd.get(), what);
    if (found.look == Look::ready) {
      check_shape(found, request, what);
      segment.mapping =
          shm::map_file(fd.get(), ring_segment_size(found.capacity, found.element_size),
                        request.read_only ? shm::MapMode::read_only : shm::MapMode::read_write, true, what);
      const bool tracks = found.state == InitState::ready && found.magic;
      segment.memory = memory_of(segment.mapping, found.capacity, found.element_size, tracks);
      segment.device = found.device;
      segment.inode = found.inode;
      const bool changed = request.adopt && !request.read_only && found.state == InitState::unversioned &&
                           !adopt_segment(*segment.memory.header);
      if (!changed) return segment;
    }
    if (deadline.passed() || shm::sleep_cancelled()) give_up(found, what);
    shm::sleep_for(kPollPeriod);
  }
}

std::optional<Segment> try_create(const SegmentRequest& request) {
  Segment segment;
  segment.path = segment_path(request.name);
  const std::size_t size = ring_segment_size(request.capacity, request.element_size);
  auto file = shm::UnnamedSegment::create({"segment '" + segment.path + "'", segment.path, size, 0, request.access});
  segment.memory = memory_of(file.mapping(), request.capacity, request.element_size, true);
  initialise_ring(segment.memory);
  struct stat info {};
  if (::fstat(file.fd(), &info) != 0) throw SystemError("cannot examine segment '" + segment.path + "'", errno);
  segment.device = info.st_dev;
  segment.inode = info.st_ino;
  if (!file.link()) return std::nullopt;
  segment.mapping = file.take_mapping();
  segment.created = true;
  return segment;
}

}  // namespace

std::string segment_path(const std::string& name) {
  const std::string bare = !name.empty() && name.front() == '/' ? name.substr(1) : name;
  if (bare.empty() || bare == "." || bare == ".." || bare.find('/') != std::string::npos || bare.size() > 254) {
    throw Error("segment name '" + name + "' must be one file name, with or without a leading '/'");
  }
  return "/dev/shm/" + bare;
}

Segment open_segment(const SegmentRequest& request) {
  // Somebody may create or remove it between our two attempts; whoever needs more than a few rounds has another
  // problem.
  for (int attempt = 0; attempt < 100; ++attempt) {
    if (auto segment = try_attach(request)) return std::move(*segment);
    if (auto segment = try_create(request)) return std::move(*segment);
  }
  throw Error("segment '" + segment_path(request.name) +
              "' is created and removed again all the time by somebody else");
}

void throw_absent(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm", error)) {
    if (entry.is_regular_file(error)) names.push_back("/" + entry.path().filename().string());
  }
  const std::string near = nearest(path.substr(8), names);
  throw SystemError("cannot open segment '" + path + "'" + (near.empty() ? "" : " (did you mean '" + near + "'?)"),
                    ENOENT);
}

Segment attach_segment(const SegmentRequest& request) {
  if (auto segment = try_attach(request)) return std::move(*segment);
  throw_absent(segment_path(request.name));
}

bool remove_segment(const Segment& segment) noexcept {
  return shm::name_means(segment.path, segment.inode) && ::unlink(segment.path.c_str()) == 0;
}

}  // namespace sluice::slick
