#include <sluice/shm/file_lock.hpp>

#include <fcntl.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <utility>

#include <sluice/error.hpp>

namespace sluice::shm {

namespace {
std::atomic<std::uint32_t> forks{0};
}

/// All FileLocks of the process, in a doubly linked list through the objects: the atfork child handler may neither
/// allocate nor take locks other than the one it took before the fork.
struct ForkRegistry {
  static ForkRegistry& instance() {
    static ForkRegistry& registry = *new ForkRegistry;  // outlives static destruction: locks may be released later
    return registry;
  }

  void add(FileLock& lock) noexcept {
    const std::lock_guard guard(mutex_);
    lock.next_ = first_;
    if (first_ != nullptr) first_->previous_ = &lock;
    first_ = &lock;
  }

  void remove(FileLock& lock) noexcept {
    const std::lock_guard guard(mutex_);
    if (lock.previous_ != nullptr) lock.previous_->next_ = lock.next_;
    if (lock.next_ != nullptr) lock.next_->previous_ = lock.previous_;
    if (first_ == &lock) first_ = lock.next_;
    lock.next_ = lock.previous_ = nullptr;
  }

 private:
  ForkRegistry() { ::pthread_atfork(&before, &after_in_parent, &after_in_child); }

  static void before() { instance().mutex_.lock(); }
  static void after_in_parent() { instance().mutex_.unlock(); }
  static void after_in_child() {
    for (FileLock* lock = instance().first_; lock != nullptr; lock = lock->next_) lock->fd_.reset();
    forks.fetch_add(1, std::memory_order_relaxed);
    instance().mutex_.unlock();
  }

  std::mutex mutex_;
  FileLock* first_ = nullptr;
};

std::uint32_t fork_generation() noexcept { return forks.load(std::memory_order_relaxed); }

FileLock::FileLock(UniqueFd fd) : fd_(std::move(fd)) { enlist(); }

FileLock::FileLock(FileLock&& other) noexcept {
  other.delist();
  fd_ = std::move(other.fd_);
  enlist();
}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  if (this != &other) {
    delist();
    other.delist();
    fd_ = std::move(other.fd_);
    enlist();
  }
  return *this;
}

FileLock::~FileLock() { delist(); }

void FileLock::enlist() noexcept {
  if (fd_.valid()) ForkRegistry::instance().add(*this);
}

void FileLock::delist() noexcept { ForkRegistry::instance().remove(*this); }

FileLock FileLock::open(const std::string& path, bool read_only) {
  const int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  UniqueFd fd(::open(path.c_str(), flags));
  if (!fd.valid()) throw SystemError("cannot open '" + path + "' for locking", errno);
  return FileLock(std::move(fd));
}

FileLock FileLock::reopen(int fd, const std::string& what, bool read_only) {
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  UniqueFd again(::open(path.c_str(), (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC));
  if (!again.valid()) throw SystemError("cannot open " + what + " once more through " + path, errno);
  return FileLock(std::move(again));
}

bool FileLock::set(ByteRange range, short type) const {
  if (!fd_.valid()) throw Error("a lock handle that was inherited through fork() cannot be used; open the topic anew");
  struct flock request {};
  request.l_type = type;
  request.l_whence = SEEK_SET;
  request.l_start = static_cast<off_t>(range.offset);
  request.l_len = static_cast<off_t>(range.length);
  while (::fcntl(fd_.get(), F_OFD_SETLK, &request) != 0) {
    if (errno == EAGAIN || errno == EACCES) return false;
    if (errno != EINTR) throw SystemError("cannot lock a byte range", errno);
  }
  return true;
}

bool FileLock::try_lock_exclusive(ByteRange range) { return set(range, F_WRLCK); }
bool FileLock::try_lock_shared(ByteRange range) { return set(range, F_RDLCK); }

void FileLock::unlock(ByteRange range) noexcept {
  try {
    (void)set(range, F_UNLCK);
  } catch (const Error&) {
    // After fork, or on a file system that refused the lock in the first place: nothing is held.
  }
}

bool FileLock::held_by_other(ByteRange range) const noexcept {
  if (!fd_.valid()) return true;
  struct flock probe {};
  probe.l_type = F_WRLCK;
  probe.l_whence = SEEK_SET;
  probe.l_start = static_cast<off_t>(range.offset);
  probe.l_len = static_cast<off_t>(range.length);
  if (::fcntl(fd_.get(), F_OFD_GETLK, &probe) != 0) return true;
  return probe.l_type != F_UNLCK;
}

std::uint32_t FileLock::count_held_by_others(ByteRange range) const noexcept {
  std::uint32_t count = 0;
  const auto end = static_cast<off_t>(range.offset + range.length);
  for (auto from = static_cast<off_t>(range.offset); fd_.valid() && from < end; ++count) {
    struct flock probe {};
    probe.l_type = F_WRLCK;
    probe.l_whence = SEEK_SET;
    probe.l_start = from;
    probe.l_len = end - from;
    if (::fcntl(fd_.get(), F_OFD_GETLK, &probe) != 0 || probe.l_type == F_UNLCK) break;
    from = probe.l_start + probe.l_len;
  }
  return count;
}

}  // namespace sluice::shm
