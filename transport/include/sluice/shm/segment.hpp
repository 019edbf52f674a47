#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <sluice/error.hpp>
#include <sluice/export.hpp>
#include <sluice/shm/file_lock.hpp>
#include <sluice/shm/unique_fd.hpp>

namespace sluice::shm {

/// What kind of file a Sluice segment is.
enum class SegmentKind : std::uint32_t {
  topic = 0x43504F54,           ///< "TOPC"
  process_record = 0x434F5250,  ///< "PROC"
};

/// The first 64 bytes of every file that Sluice alone uses. Written before the file has a name, never changed.
struct SegmentHeader {
  std::array<char, 8> magic;     ///< kSegmentMagic.
  std::uint32_t kind;            ///< A SegmentKind.
  std::uint32_t version;         ///< Of the kind's layout; no other one is read.
  std::uint64_t size;            ///< Of the whole file.
  std::uint32_t creator_pid;     ///< For people; it may be reused or of another namespace.
  std::uint32_t reserved0;       ///< 0.
  std::uint64_t created_ns;      ///< CLOCK_REALTIME, for people.
  std::array<char, 24> creator;  ///< Base name of the executable, NUL-terminated.
};
static_assert(sizeof(SegmentHeader) == 64);

/// The first eight bytes. Like PNG's, they do not survive a transfer as text.
inline constexpr std::array<char, 8> kSegmentMagic{'S', 'L', 'U', 'I', 'C', 'E', '\x1A', '\n'};

/// Access rights of new files and directories; they hold whatever the umask is.
struct Access {
  std::uint32_t mode = 0600;  ///< Of files; directories get x where they have r.
  std::string group;          ///< Empty: the process's own.
};

/// Memory mapped from a file; unmapped by the destructor. The descriptor is not kept.
class SLUICE_EXPORT Mapping {
 public:
  Mapping() = default;
  /// Takes over what mmap returned.
  Mapping(void* data, std::size_t size) noexcept : data_(static_cast<std::byte*>(data)), size_(size) {}
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  /// Lets go of the memory without unmapping it.
  void forget() noexcept {
    data_ = nullptr;
    size_ = 0;
  }

  /// The first byte, on a page's boundary; nullptr when nothing is mapped.
  [[nodiscard]] std::byte* data() const noexcept { return data_; }

  /// In bytes, as it was mapped.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// The object at `offset`; the caller has checked that it lies inside.
  template <typename T>
  [[nodiscard]] T* at(std::size_t offset) const noexcept {
    return reinterpret_cast<T*>(data_ + offset);
  }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// A file under construction: it has no name, so that nobody can see it incomplete, and it vanishes with its creator.
///
///   UnnamedSegment::create -> fill mapping() -> link()
///
/// If we die before link, nothing is left; after link, the file is complete. Its space is reserved at creation.
class SLUICE_EXPORT UnnamedSegment {
 public:
  /// What file it is to become.
  struct Request {
    std::string what;         ///< For errors: "topic '/imu/raw'".
    std::string path;         ///< The name it will get.
    std::size_t size = 0;     ///< Of the file.
    std::size_t reserve = 0;  ///< Bytes from the start to reserve now; 0: all. The rest is a hole (see reserve_space).
    Access access;            ///< It has them from the start.
  };

  /// Throws Error (not enough shared memory: topic, needed and free bytes), SystemError.
  [[nodiscard]] static UnnamedSegment create(const Request& request);

  /// For locks through FileLock::reopen, and fstat.
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

  /// The bytes to fill in, zeros at first.
  [[nodiscard]] const Mapping& mapping() const noexcept { return mapping_; }

  /// Writes the SegmentHeader of a Sluice file.
  void write_header(SegmentKind kind, std::uint32_t version) const;

  /// Gives the file its name. False: somebody else was first, and that file is untouched. Throws SystemError.
  [[nodiscard]] bool link();

  /// Keeps the mapping beyond this object.
  [[nodiscard]] Mapping take_mapping() noexcept { return std::move(mapping_); }

  /// Keeps the descriptor beyond this object.
  [[nodiscard]] UniqueFd take_fd() noexcept { return std::move(fd_); }

 private:
  UnnamedSegment() = default;
  UniqueFd fd_;
  Mapping mapping_;
  std::string path_;
  std::string temporary_;  ///< Where the file system has no unnamed files: a name of ours, removed after linking.

 public:
  UnnamedSegment(UnnamedSegment&&) noexcept = default;
  UnnamedSegment& operator=(UnnamedSegment&&) noexcept = default;
  ~UnnamedSegment();
};

/// How attaching to a file ended. Everything but `ok` leaves nothing open.
enum class AttachOutcome {
  ok,             ///< Checked and mapped.
  absent,         ///< No file of that name.
  no_permission,  ///< This user may not open it.
  not_a_file,     ///< A directory, a FIFO, a symbolic link, a device.
  too_short,      ///< Shorter than a header: empty or truncated.
  not_sluice,     ///< No Sluice magic.
  wrong_kind,     ///< A Sluice file of another kind.
  wrong_version,  ///< Of another version of Sluice.
  wrong_size,     ///< The header and the file system disagree about the size.
  system_error,   ///< Anything else; `reason` has the system's words.
};

/// An attached Sluice file.
struct SLUICE_EXPORT AttachedSegment {
  AttachOutcome outcome = AttachOutcome::absent;  ///< Whether the rest is there.
  std::string reason;       ///< A sentence with the path, what was found and what was expected; empty when ok.
  Mapping mapping;          ///< The whole file.
  std::uint64_t inode = 0;  ///< To ask later whether the name still means this file (name_means).
  UniqueFd fd;              ///< The description that was mapped: never lock it (see FileLock).

  /// Whether it is mapped.
  [[nodiscard]] bool ok() const noexcept { return outcome == AttachOutcome::ok; }
};

/// What a mapping may be used for; a store through a read-only one is a fault.
enum class MapMode { read_write, read_only };

/// Opens, checks and maps a Sluice file: open -> kind of file -> length -> magic -> kind -> version -> size -> map.
/// Files are complete from the moment they have a name, so there is nothing to wait for. `minimum` is the smallest size
/// the kind can have. Does not throw for what other programs may have left there.
[[nodiscard]] SLUICE_EXPORT AttachedSegment attach_segment(const std::string& path, SegmentKind kind,
                                                           std::uint32_t version, std::size_t minimum, MapMode mode);

/// Unlinks the Sluice file at `path`, of whatever version, if nobody holds a lock on its `owner` bytes and the name
/// still means the file that was looked at; whether it did. Only what is plainly of this kind: damaged files are for a
/// person to look at. Never throws for what it finds there.
///
/// `remover` is held exclusively meanwhile, so that the name cannot change its meaning in between. Where others may
/// still come in, it is the owner's byte itself and keeps them out. Where nobody can, it is another one: whoever asks
/// whether the owner lives must not take us for it, least of all while we are stopped here.
SLUICE_EXPORT bool remove_dead_segment(const std::string& path, SegmentKind kind, ByteRange owner,
                                       ByteRange remover) noexcept;
inline bool remove_dead_segment(const std::string& path, SegmentKind kind, ByteRange owner) noexcept {
  return remove_dead_segment(path, kind, owner, owner);
}

/// Whether `path` still names the file with this inode.
[[nodiscard]] SLUICE_EXPORT bool name_means(const std::string& path, std::uint64_t inode) noexcept;

/// Reserves [offset, offset + length) of the file so that touching it cannot fail later. Asks the control group's
/// memory limit first, because a full control group kills instead of failing. Throws Error naming `what`, needed and
/// free bytes.
SLUICE_EXPORT void reserve_space(int fd, std::size_t offset, std::size_t length, const std::string& what,
                                 const std::string& path);

/// Maps a whole file shared, and populates it when `populate`. Throws SystemError.
[[nodiscard]] SLUICE_EXPORT Mapping map_file(int fd, std::size_t size, MapMode mode, bool populate,
                                             const std::string& what);

/// Makes a directory and its parents; existing ones are checked: a real directory that belongs to us (or to root), not
/// a symbolic link, and the last one writable by nobody whom `access` does not admit. Throws Error naming what is
/// wrong.
SLUICE_EXPORT void ensure_directory(const std::string& path, const Access& access);

}  // namespace sluice::shm
