#pragma once

#include <cstdint>
#include <string>

#include <sluice/export.hpp>
#include <sluice/shm/unique_fd.hpp>

namespace sluice::shm {

/// A range of bytes of a file. The bytes need not exist.
struct ByteRange {
  std::uint64_t offset = 0;  ///< From the start of the file.
  std::uint64_t length = 1;  ///< In bytes.
};

/// An open file description of its own that carries byte-range locks (fcntl F_OFD_SETLK). The kernel releases them when
/// the description's last reference goes, whatever killed its owner, in whatever PID namespace.
///
/// Invariants:
///  1. The descriptor is never mapped: a mapping would keep the description, and with it the locks, alive after close.
///  2. Probing goes through another description than the one that holds the lock; a description does not see its own.
///  3. A forked child would inherit the description and keep a dead parent's locks: an atfork handler closes every
///     descriptor in the child and makes its FileLocks unusable.
///
/// Thread safety: lock, unlock and probe may be called from any thread; moving and destroying may not overlap them.
/// Nothing blocks.
class SLUICE_EXPORT FileLock {
 public:
  FileLock() = default;
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

  /// Opens `path` once more, for reading and writing unless `read_only`. Throws SystemError.
  [[nodiscard]] static FileLock open(const std::string& path, bool read_only = false);

  /// Opens the file behind `fd` once more, also when it has no name. `what` names it in the SystemError.
  [[nodiscard]] static FileLock reopen(int fd, const std::string& what, bool read_only = false);

  /// False: somebody else holds a lock that conflicts. Throws SystemError for anything else (no locks on this file
  /// system; after fork, Error).
  [[nodiscard]] bool try_lock_exclusive(ByteRange range);

  /// As try_lock_exclusive; others may hold it shared, too.
  [[nodiscard]] bool try_lock_shared(ByteRange range);

  /// Gives up what this object holds of the range; nothing held is no error.
  void unlock(ByteRange range) noexcept;

  /// Whether another description holds a lock on the range. Needs no write access. True also when it cannot be told.
  [[nodiscard]] bool held_by_other(ByteRange range) const noexcept;

  /// How many locks other descriptions hold in the range, neighbours counted singly.
  [[nodiscard]] std::uint32_t count_held_by_others(ByteRange range) const noexcept;

  /// False when empty, moved from, or in a child that was forked after it was made.
  [[nodiscard]] bool usable() const noexcept { return fd_.valid(); }

  /// For reading and fstat; never map it (invariant 1).
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

 private:
  explicit FileLock(UniqueFd fd);
  bool set(ByteRange range, short type) const;
  void enlist() noexcept;
  void delist() noexcept;

  friend struct ForkRegistry;
  UniqueFd fd_;
  FileLock* next_ = nullptr;
  FileLock* previous_ = nullptr;
};

/// Counts the forks this process descends from since it started; a handle made before a fork compares and refuses.
[[nodiscard]] SLUICE_EXPORT std::uint32_t fork_generation() noexcept;

}  // namespace sluice::shm
