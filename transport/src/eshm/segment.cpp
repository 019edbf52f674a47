#include <sluice/eshm/segment.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include <sluice/shm/access.hpp>
#include <sluice/shm/deadline.hpp>
#include <sluice/shm/kill_point.hpp>
#include <sluice/shm/sleep.hpp>
#include <sluice/shm/unique_fd.hpp>

namespace sluice::eshm {

namespace {

constexpr std::chrono::milliseconds kCreatorPollPeriod{1};

/// The header's words that say what a segment is, read with pread: a file that shrinks is an error and not a signal.
struct Identity {
  std::uint32_t magic = 0;
  std::uint32_t version = 0;
  std::uint64_t heartbeats[2] = {};
  std::uint32_t pids_and_flags[4] = {};
  std::uint32_t stale_threshold = 0;
  std::uint32_t generation = 0;
  std::uint32_t features = 0;
  std::uint32_t layout_size = 0;
};
static_assert(sizeof(Identity) == 56);

[[noreturn]] void throw_cannot_open(const std::string& path, bool read_only, int error) {
  struct stat info {};
  if ((error == EACCES || error == EPERM) && ::stat(path.c_str(), &info) == 0) {
    throw SystemError("channel '" + path + "' belongs to " + shm::user_text(info.st_uid) + " with mode " +
                          shm::mode_text(info.st_mode & 0777U) + ", and " + shm::user_text(::geteuid()) +
                          " may not read " + (read_only ? "" : "and write ") +
                          "it; let its creator share it (mode 0666, or 0660 and a group)",
                      error);
  }
  if (error == ELOOP) throw Error("channel '" + path + "' is a symbolic link; remove it");
  throw SystemError("cannot open channel '" + path + "'", error);
}

/// Nothing: whole. Otherwise why it is not, or not yet.
std::string incomplete(const Identity& found, std::uint64_t size, const std::string& what) {
  if (size < sizeof(Header)) {
    return what + " has " + std::to_string(size) +
           " bytes, too short for an ESHM segment (128 bytes of header); its creator died or it is none: remove it";
  }
  if (found.magic == 0) return what + " has no magic; its creator died while initialising it: remove it";
  return {};
}

void check_identity(const Identity& found, std::uint64_t size, std::size_t max_size, const std::string& what) {
  const std::uint64_t expected = segment_bytes(max_size);
  if (found.magic != kMagic) {
    throw Error(what + " is not an ESHM segment (magic " + std::to_string(found.magic) + ", expected " +
                std::to_string(kMagic) + "); remove it or choose another name");
  }
  if (found.version != 2 && found.version != 3) {
    throw Error(what + " has protocol version " + std::to_string(found.version) +
                ", this program speaks 2 and 3; update it, or remove the segment");
  }
  if (found.version == 3 && found.layout_size != size) {
    throw Error(what + " has " + std::to_string(size) + " bytes, but its header says " +
                std::to_string(found.layout_size) + "; it is truncated or overwritten: remove it");
  }
  if (size != expected) {
    const MaxSizes sizes = max_sizes_of(size);
    throw Error(what + " has " + std::to_string(size) + " bytes, but a channel for messages of up to " +
                std::to_string(max_size) + " bytes has " + std::to_string(expected) + "; " +
                (sizes.most == 0 ? "no channel is as long: remove it"
                                 : "it was made for a max_size of " + sizes.text() + ": give both sides the same"));
  }
}

}  // namespace

MailboxMemory Segment::mailbox(Side writer) const noexcept {
  const std::uint64_t start = mailbox_offset(writer, max_size);
  return {mapping.at<MailboxHead>(start),
          mapping.data() + start + sizeof(MailboxHead),
          mapping.at<MailboxTail>(start + mailbox_tail_offset(max_size)),
          max_size,
          protocol == Protocol::v3 && !read_only,
          read_only};
}

std::string segment_path(const std::string& name) {
  if (name.empty()) throw Error("a channel needs a name");
  std::string file = "eshm_" + name;
  for (char& c : file) {
    if (c == '/') c = '_';
  }
  constexpr std::size_t kLongest = 254;  // the original keeps 255 characters, its leading '/' among them
  return "/dev/shm/" + file.substr(0, kLongest);
}

void take_reader_place(shm::FileLock& lock, Side writer) {
  const shm::ByteRange all = reader_locks(writer);
  for (std::uint64_t k = 0; k < all.length; ++k) {
    if (lock.try_lock_exclusive({all.offset + k, 1})) return;
  }
  throw Error("a channel has " + std::to_string(all.length) + " readers already; end one");
}

std::string MaxSizes::text() const {
  return least == most ? std::to_string(most) : std::to_string(least) + " to " + std::to_string(most);
}

MaxSizes max_sizes_of(std::uint64_t bytes) noexcept {
  if (bytes < segment_bytes(0) || (bytes - sizeof(Header)) % 128 != 0) return {};
  const std::uint64_t mailbox = (bytes - sizeof(Header)) / 2;
  const std::uint64_t most = mailbox - 64 - sizeof(MailboxHead);
  return {most < 63 ? 0 : most - 63, most};
}

std::optional<Segment> attach_segment(const SegmentRequest& request) {
  Segment segment;
  segment.path = segment_path(request.name);
  const std::string what = "channel '" + segment.path + "'";
  const int rights = request.read_only ? O_RDONLY : O_RDWR;
  const shm::UniqueFd fd(::open(segment.path.c_str(), rights | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.valid()) {
    if (errno == ENOENT) return std::nullopt;
    throw_cannot_open(segment.path, request.read_only, errno);
  }
  const shm::Deadline deadline = shm::Deadline::after(request.patience);
  for (;;) {
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) throw SystemError(what + ": cannot examine it", errno);
    if (!S_ISREG(info.st_mode)) throw Error(what + " is not a regular file; remove it");
    const auto size = static_cast<std::uint64_t>(info.st_size);
    Identity found;
    if (size >= sizeof(Header) && ::pread(fd.get(), &found, sizeof found, 0) != sizeof found) found = {};
    const std::string problem = incomplete(found, size, what);
    if (problem.empty()) {
      check_identity(found, size, request.max_size, what);
      if (!request.read_only) segment.lock = shm::FileLock::reopen(fd.get(), what);
      const auto mode = request.read_only ? shm::MapMode::read_only : shm::MapMode::read_write;
      segment.mapping = shm::map_file(fd.get(), size, mode, !request.read_only, what);
      segment.read_only = request.read_only;
      segment.max_size = request.max_size;
      segment.protocol = Protocol{found.version};
      segment.device = info.st_dev;
      segment.inode = info.st_ino;
      return segment;
    }
    if (deadline.passed() || shm::sleep_cancelled()) throw Error(problem);
    shm::sleep_for(kCreatorPollPeriod);
  }
}

std::optional<Segment> create_segment(const SegmentRequest& request, const std::function<void(Segment&)>& announce) {
  Segment segment;
  segment.path = segment_path(request.name);
  const std::string what = "channel '" + segment.path + "'";
  if (request.max_size > kLargestMaxSize) {
    throw Error(what + ": max_size " + std::to_string(request.max_size) + " is more than " +
                std::to_string(kLargestMaxSize) + " bytes");
  }
  const std::size_t size = segment_bytes(request.max_size);
  auto file = shm::UnnamedSegment::create({what, segment.path, size, 0, request.access});
  struct stat info {};
  if (::fstat(file.fd(), &info) != 0) throw SystemError("cannot examine " + what, errno);
  segment.lock = shm::FileLock::reopen(file.fd(), what);
  segment.mapping = file.take_mapping();
  segment.max_size = request.max_size;
  segment.protocol = request.protocol;
  segment.device = info.st_dev;
  segment.inode = info.st_ino;
  segment.created = true;
  Header& header = segment.header();
  header.magic.store_relaxed(kMagic);
  header.version.store_relaxed(static_cast<std::uint32_t>(request.protocol));
  header.stale_threshold.store_relaxed(request.stale_threshold_ms);
  if (request.protocol == Protocol::v3) {
    header.features.store_relaxed(kFutexFeature);
    header.layout_size.store_relaxed(static_cast<std::uint32_t>(size));
  }
  announce(segment);
  SLUICE_KILL_POINT("channel.made");
  if (!file.link()) return std::nullopt;
  return segment;
}

}  // namespace sluice::eshm
