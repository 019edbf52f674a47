#include <sluice/shm/segment.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include <sluice/shm/access.hpp>
#include <sluice/shm/fixed_text.hpp>
#include <sluice/shm/kill_point.hpp>
#include <sluice/shm/memory_space.hpp>
#include <sluice/shm/process_identity.hpp>

#include "shm/pages.hpp"

namespace sluice::shm {

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Mapping::~Mapping() {
  if (data_ != nullptr) unmap_pages(data_, size_);
}

Mapping map_file(int fd, std::size_t size, MapMode mode, bool populate, const std::string& what) {
  void* data = map_pages(fd, size, mode, populate);
  if (data == MAP_FAILED) {
    throw SystemError("cannot map " + what + " (" + std::to_string(size) + " bytes)", errno);
  }
  return Mapping(data, size);
}

void reserve_space(int fd, std::size_t offset, std::size_t length, const std::string& what, const std::string& path) {
  const auto refuse = [&](const SpaceLimit& limit) {
    throw Error(what + ": not enough shared memory: " + std::to_string(length) + " bytes needed, " +
                std::to_string(limit.free_bytes) + " bytes free in " + limit.limited_by +
                "; reduce depth or max_size, remove leftovers with 'sluice shm clean', or enlarge it");
  };
  if (const auto group = control_group_space(); group && group->free_bytes < length) refuse(*group);
  for (;;) {
    const int error = ::posix_fallocate(fd, static_cast<off_t>(offset), static_cast<off_t>(length));
    if (error == 0) return;
    if (error == ENOSPC) refuse(file_system_space(fd, path));
    if (error != EINTR) throw SystemError(what + ": cannot reserve " + std::to_string(length) + " bytes", error);
  }
}

namespace {

std::string directory_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

[[noreturn]] void throw_cannot_create(const std::string& what, const std::string& directory, int error) {
  const std::string failure = what + ": cannot create a file in '" + directory + "'";
  struct stat info {};
  if (error != EACCES || ::stat(directory.c_str(), &info) != 0) throw SystemError(failure, error);
  throw SystemError(failure + ", which belongs to " + user_text(info.st_uid) + " with mode " +
                        mode_text(info.st_mode & 0777U) + ", and " + user_text(::geteuid()) +
                        " may not write there; share it with 'group' and 'mode: 0660', or use another 'runtime_dir'",
                    error);
}

/// Unnamed where the file system knows how; else under a name that no attacher uses.
UniqueFd open_unnamed(const UnnamedSegment::Request& request, std::string& temporary) {
  const std::string directory = directory_of(request.path);
  UniqueFd fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd.valid()) return fd;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) throw_cannot_create(request.what, directory, errno);
  temporary = directory + "/.unfinished-XXXXXX";
  fd = UniqueFd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.valid()) throw_cannot_create(request.what, directory, errno);
  return fd;
}

}  // namespace

UnnamedSegment UnnamedSegment::create(const Request& request) {
  UnnamedSegment segment;
  segment.path_ = request.path;
  segment.fd_ = open_unnamed(request, segment.temporary_);
  SLUICE_KILL_POINT("segment.opened");
  apply_access(segment.fd_.get(), request.access, request.what);
  if (::ftruncate(segment.fd_.get(), static_cast<off_t>(request.size)) != 0) {
    throw SystemError(request.what + ": cannot make a file of " + std::to_string(request.size) + " bytes", errno);
  }
  SLUICE_KILL_POINT("segment.sized");
  const std::size_t reserve = request.reserve == 0 ? request.size : request.reserve;
  reserve_space(segment.fd_.get(), 0, reserve, request.what, request.path);
  SLUICE_KILL_POINT("segment.reserved");
  segment.mapping_ =
      map_file(segment.fd_.get(), request.size, MapMode::read_write, reserve == request.size, request.what);
  return segment;
}

UnnamedSegment::~UnnamedSegment() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void UnnamedSegment::write_header(SegmentKind kind, std::uint32_t version) const {
  const ProcessIdentity self = ProcessIdentity::self();
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  auto& header = *mapping_.at<SegmentHeader>(0);
  header = {};
  header.magic = kSegmentMagic;
  header.kind = static_cast<std::uint32_t>(kind);
  header.version = version;
  header.size = mapping_.size();
  header.creator_pid = static_cast<std::uint32_t>(self.pid);
  header.created_ns = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
  store_text(header.creator, self.executable);
  SLUICE_KILL_POINT("segment.headed");
}

bool UnnamedSegment::link() {
  const std::string source = temporary_.empty() ? "/proc/self/fd/" + std::to_string(fd_.get()) : temporary_;
  if (::linkat(AT_FDCWD, source.c_str(), AT_FDCWD, path_.c_str(), AT_SYMLINK_FOLLOW) == 0) {
    SLUICE_KILL_POINT("segment.linked");
    return true;
  }
  if (errno == EEXIST) return false;
  throw SystemError("cannot give the new file its name '" + path_ + "'", errno);
}

namespace {

AttachedSegment failed(AttachOutcome outcome, std::string reason) {
  AttachedSegment result;
  result.outcome = outcome;
  result.reason = std::move(reason);
  return result;
}

std::string kind_text(std::uint32_t kind) {
  switch (static_cast<SegmentKind>(kind)) {
    case SegmentKind::topic: return "a topic";
    case SegmentKind::process_record: return "a process record";
  }
  return "kind " + std::to_string(kind);
}

AttachedSegment open_failed(const std::string& quoted, int error) {
  switch (error) {
    case ENOENT: return failed(AttachOutcome::absent, quoted + " does not exist");
    case EACCES:
    case EPERM:
      return failed(AttachOutcome::no_permission,
                    quoted + " may not be opened by this user; see 'mode' and 'group' in the configuration");
    case ELOOP: return failed(AttachOutcome::not_a_file, quoted + " is a symbolic link; remove it");
    case EISDIR:
    case ENXIO: return failed(AttachOutcome::not_a_file, quoted + " is not a regular file; remove it");
    default: return failed(AttachOutcome::system_error, SystemError("cannot open " + quoted, error).what());
  }
}

/// The header is read with pread and not through a mapping: touching a mapping beyond a truncated file's end is SIGBUS.
AttachedSegment check_header(const std::string& quoted, int fd, std::uint64_t file_size, SegmentKind kind,
                             std::uint32_t version, std::size_t minimum) {
  SegmentHeader header{};
  if (file_size < sizeof header || ::pread(fd, &header, sizeof header, 0) != sizeof header) {
    return failed(AttachOutcome::too_short, quoted + " has " + std::to_string(file_size) +
                                                " bytes, too short for a Sluice file (64 bytes of header); remove it");
  }
  if (header.magic != kSegmentMagic) {
    return failed(AttachOutcome::not_sluice, quoted + " is not a Sluice file (no magic at its start); remove it");
  }
  if (header.kind != static_cast<std::uint32_t>(kind)) {
    return failed(AttachOutcome::wrong_kind, quoted + " is " + kind_text(header.kind) + ", expected " +
                                                 kind_text(static_cast<std::uint32_t>(kind)) + "; remove it");
  }
  if (header.version != version) {
    return failed(AttachOutcome::wrong_version, quoted + " has format version " + std::to_string(header.version) +
                                                    ", this Sluice speaks version " + std::to_string(version) +
                                                    "; run one version of Sluice in a domain");
  }
  if (header.size != file_size || file_size < minimum) {
    return failed(AttachOutcome::wrong_size, quoted + " has " + std::to_string(file_size) +
                                                 " bytes, but its header says " + std::to_string(header.size) +
                                                 " (truncated or overwritten); remove it");
  }
  AttachedSegment result;
  result.outcome = AttachOutcome::ok;
  return result;
}

}  // namespace

AttachedSegment attach_segment(const std::string& path, SegmentKind kind, std::uint32_t version, std::size_t minimum,
                               MapMode mode) {
  const std::string quoted = "'" + path + "'";
  const int access = mode == MapMode::read_write ? O_RDWR : O_RDONLY;
  UniqueFd fd(::open(path.c_str(), access | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.valid()) return open_failed(quoted, errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return open_failed(quoted, errno);
  if (!S_ISREG(info.st_mode)) return failed(AttachOutcome::not_a_file, quoted + " is not a regular file; remove it");

  const auto file_size = static_cast<std::uint64_t>(info.st_size);
  AttachedSegment result = check_header(quoted, fd.get(), file_size, kind, version, minimum);
  if (!result.ok()) return result;
  try {
    // Who takes part must not fault on the hot path; who looks on may look at a few headers only.
    const bool populate = kind == SegmentKind::topic && mode == MapMode::read_write;
    result.mapping = map_file(fd.get(), file_size, mode, populate, quoted);
  } catch (const SystemError& error) {
    return failed(AttachOutcome::system_error, error.what());
  }
  result.inode = info.st_ino;
  result.fd = std::move(fd);
  return result;
}

bool name_means(const std::string& path, std::uint64_t inode) noexcept {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 && info.st_ino == inode;
}

bool remove_dead_segment(const std::string& path, SegmentKind kind, ByteRange owner, ByteRange remover) noexcept {
  try {
    FileLock lock = FileLock::open(path);
    struct stat info {};
    if (::fstat(lock.fd(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
    SegmentHeader header{};
    if (::pread(lock.fd(), &header, sizeof header, 0) != sizeof header || header.magic != kSegmentMagic ||
        header.kind != static_cast<std::uint32_t>(kind) || header.size != static_cast<std::uint64_t>(info.st_size)) {
      return false;
    }
    if (lock.held_by_other(owner) || !lock.try_lock_exclusive(remover)) return false;
    SLUICE_KILL_POINT("segment.dead.locked");
    const bool removed = name_means(path, info.st_ino) && ::unlink(path.c_str()) == 0;
    SLUICE_KILL_POINT("segment.dead.unlinked");
    return removed;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace sluice::shm
