#include "slick/raw_segment.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <optional>
#include <thread>
#include <vector>

#include <sluice/shm/deadline.hpp>
#include <sluice/shm/kill_point.hpp>

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
  bool magic = false;
};

/// The format's picture of the header for pread, without the atomics.
struct HeaderBytes {
  std::uint64_t reserved;
  std::uint32_t capacity;
  std::uint32_t element_size;
  std::uint64_t last_published;
  std::uint32_t magic;
  std::uint8_t zero0[20];
  std::uint32_t init_state;
  std::uint8_t zero1[12];
};
static_assert(sizeof(HeaderBytes) == sizeof(RawHeader));

struct SlotBytes {
  std::uint64_t data_index;
  std::uint32_t size;
  std::uint32_t padding;
};
static_assert(sizeof(SlotBytes) == sizeof(RawSlot));

/// Fresh memory is zero, initialising writes 1, publishing at least 1: a size of 0 in any slot means "still being
/// made".
bool slots_are_initialised(int fd, std::uint64_t capacity) {
  std::vector<SlotBytes> slots(4096);
  for (std::uint64_t done = 0; done < capacity;) {
    const std::size_t count = std::min<std::uint64_t>(slots.size(), capacity - done);
    const auto bytes = static_cast<ssize_t>(count * sizeof(SlotBytes));
    const auto offset = static_cast<off_t>(sizeof(RawHeader) + done * sizeof(SlotBytes));
    if (::pread(fd, slots.data(), static_cast<std::size_t>(bytes), offset) != bytes) return false;
    for (std::size_t i = 0; i < count; ++i) {
      if (slots[i].size == 0) return false;
    }
    done += count;
  }
  return true;
}

Found look_at(int fd, const std::string& what) {
  Found found;
  struct stat info {};
  if (::fstat(fd, &info) != 0) throw SystemError(what + ": cannot examine it", errno);
  if (!S_ISREG(info.st_mode)) throw Error(what + " is not a regular file; remove it");
  found.file_size = static_cast<std::uint64_t>(info.st_size);
  HeaderBytes header{};
  if (::pread(fd, &header, sizeof header, 0) != sizeof header) return found;
  found.capacity = header.capacity;
  found.element_size = header.element_size;
  found.magic = header.magic == kRawMagic;
  if (header.init_state > static_cast<std::uint32_t>(InitState::ready)) {
    throw Error(what + " is not a SlickQueue segment (state " + std::to_string(header.init_state) +
                ", known are 0 to 3); remove it or choose another name");
  }
  found.state = InitState{header.init_state};
  const bool shaped = header.capacity != 0 && header.element_size != 0 &&
                      found.file_size >= raw_segment_size(header.capacity, header.element_size);
  switch (found.state) {
    case InitState::ready: found.look = Look::ready; break;
    case InitState::initialising: break;
    case InitState::legacy:
    case InitState::unversioned:
      if (shaped && slots_are_initialised(fd, header.capacity)) found.look = Look::ready;
      break;
  }
  return found;
}

[[noreturn]] void give_up(const Found& found, const std::string& what) {
  if (found.file_size < sizeof(RawHeader)) {
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

void check_shape(const Found& found, const RawRequest& request, const std::string& what) {
  if (found.element_size != request.element_size) {
    throw Error(what + " has elements of " + std::to_string(found.element_size) +
                " bytes, but this topic says element: " + std::to_string(request.element_size) +
                "; give all programs the same element size");
  }
  if (!std::has_single_bit(found.capacity)) {
    throw Error(what + " says a capacity of " + std::to_string(found.capacity) +
                ", which is no power of two; remove it");
  }
  if (raw_segment_size(found.capacity, found.element_size) > found.file_size) {
    throw Error(what + " has " + std::to_string(found.file_size) + " bytes, but its header needs " +
                std::to_string(raw_segment_size(found.capacity, found.element_size)) + "; it is truncated: remove it");
  }
  if (request.capacity_required && found.capacity != request.capacity) {
    throw Error(what + " has a capacity of " + std::to_string(found.capacity) + ", but this topic says depth: " +
                std::to_string(request.capacity) + "; give all programs the same, or leave depth out");
  }
}

/// Whether the segment stayed what it was. A 1.3.0 or 1.4.0 program that opens a segment in state 0 with a size takes
/// it for uninitialised and wipes it (hazard H7); in state 1 it attaches. 1.2.x and Python never look at the word.
bool adopt_segment(const shm::Mapping& mapping) {
  auto expected = static_cast<std::uint32_t>(InitState::unversioned);
  auto& state = mapping.at<RawHeader>(0)->init_state;
  const bool adopted = state.compare_exchange_acq_rel(expected, static_cast<std::uint32_t>(InitState::legacy));
  SLUICE_KILL_POINT("raw.adopt.done");
  return adopted || expected == static_cast<std::uint32_t>(InitState::legacy);
}

/// open -> size -> state -> slots -> shape -> map -> adopt, everything under one deadline.
std::optional<RawSegment> try_attach(const RawRequest& request) {
  const std::string path = raw_path(request.name);
  const std::string what = "segment '" + path + "'";
  const shm::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.valid()) {
    if (errno == ENOENT) return std::nullopt;
    throw SystemError("cannot open " + what, errno);
  }
  const shm::Deadline deadline = shm::Deadline::after(request.patience);
  for (;;) {
    const Found found = look_at(fd.get(), what);
    if (found.look == Look::ready) {
      check_shape(found, request, what);
      RawSegment segment;
      segment.mapping = shm::map_file(fd.get(), raw_segment_size(found.capacity, found.element_size),
                                      shm::MapMode::read_write, true, what);
      segment.capacity = found.capacity;
      segment.element_size = found.element_size;
      segment.tracks_last_published = found.state == InitState::ready && found.magic;
      const bool changed = request.adopt && found.state == InitState::unversioned && !adopt_segment(segment.mapping);
      if (!changed) return segment;
    }
    if (deadline.passed()) give_up(found, what);
    std::this_thread::sleep_for(kPollPeriod);
  }
}

std::optional<RawSegment> try_create(const RawRequest& request) {
  const std::string path = raw_path(request.name);
  const std::size_t size = raw_segment_size(request.capacity, request.element_size);
  auto file = shm::UnnamedSegment::create({"segment '" + path + "'", path, size, 0, request.access});
  auto& header = *file.mapping().at<RawHeader>(0);
  header.init_state.store_relaxed(static_cast<std::uint32_t>(InitState::initialising));
  header.reserved.store_relaxed(0);
  header.last_published.store_relaxed(kNoIndex);
  header.magic.store_relaxed(kRawMagic);
  header.capacity = request.capacity;
  header.element_size = request.element_size;
  SLUICE_KILL_POINT("raw.create.begun");
  auto* slots = file.mapping().at<RawSlot>(sizeof(RawHeader));
  for (std::uint32_t i = 0; i < request.capacity; ++i) {
    slots[i].data_index.store_relaxed(kNoIndex);
    slots[i].size.store_relaxed(1);
  }
  SLUICE_KILL_POINT("raw.create.filled");
  header.init_state.store_release(static_cast<std::uint32_t>(InitState::ready));
  SLUICE_KILL_POINT("raw.create.ready");
  if (!file.link()) return std::nullopt;
  return RawSegment{file.take_mapping(), request.capacity, request.element_size, true, true};
}

}  // namespace

std::string raw_path(const std::string& name) {
  const std::string bare = !name.empty() && name.front() == '/' ? name.substr(1) : name;
  if (bare.empty() || bare == "." || bare == ".." || bare.find('/') != std::string::npos || bare.size() > 254) {
    throw Error("segment name '" + name + "' must be one file name, with or without a leading '/'");
  }
  return "/dev/shm/" + bare;
}

RawSegment open_raw_segment(const RawRequest& request) {
  // Somebody may create or remove it between our two attempts; whoever needs more than a few rounds has another
  // problem.
  for (int attempt = 0; attempt < 100; ++attempt) {
    if (auto segment = try_attach(request)) return std::move(*segment);
    if (auto segment = try_create(request)) return std::move(*segment);
  }
  throw Error("segment '" + raw_path(request.name) + "' is created and removed again all the time by somebody else");
}

RawSegment attach_raw_segment(const RawRequest& request) {
  if (auto segment = try_attach(request)) return std::move(*segment);
  throw Error("segment '" + raw_path(request.name) + "' does not exist");
}

}  // namespace sluice::slick
