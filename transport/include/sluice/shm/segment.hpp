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
  std::array<char, 8> magic;
  std::uint32_t kind;
  std::uint32_t version;
  std::uint64_t size;  ///< Of the whole file.
  std::uint32_t creator_pid;
  std::uint32_t reserved0;
  std::uint64_t created_ns;      ///< CLOCK_REALTIME, for people.
  std::array<char, 24> creator;  ///< Base name of the executable, NUL-terminated.
};
static_assert(sizeof(SegmentHeader) == 64);
inline constexpr std::array<char, 8> kSegmentMagic{'S', 'L', 'U', 'I', 'C', 'E', '\x1A', '\n'};

/// Access rights of new files and directories; they hold whatever the umask is.
struct Access {
  std::uint32_t mode = 0600;
  std::string group;  ///< Empty: the process's own.
};

/// Memory mapped from a file; unmapped by the destructor. The descriptor is not kept.
class SLUICE_EXPORT Mapping {
 public:
  Mapping() = default;
  Mapping(void* data, std::size_t size) noexcept : data_(static_cast<std::byte*>(data)), size_(size) {}
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
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
  struct Request {
    std::string what;         ///< For errors: "topic '/imu/raw'".
    std::string path;         ///< The name it will get.
    std::size_t size = 0;     ///< Of the file.
    std::size_t reserve = 0;  ///< Bytes from the start to reserve now; 0: all. The rest is a hole (see reserve_space).
    Access access;
  };

  /// Throws Error (not enough shared memory: topic, needed and free bytes), SystemError.
  [[nodiscard]] static UnnamedSegment create(const Request& request);

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] const Mapping& mapping() const noexcept { return mapping_; }

  /// Writes the SegmentHeader of a Sluice file.
  void write_header(SegmentKind kind, std::uint32_t version) const;

  /// Gives the file its name. False: somebody else was first, and that file is untouched. Throws SystemError.
  [[nodiscard]] bool link();

  [[nodiscard]] Mapping take_mapping() noexcept { return std::move(mapping_); }
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
  ok,
  absent,  ///< No file of that name.
  no_permission,
  not_a_file,     ///< A directory, a FIFO, a symbolic link, a device.
  too_short,      ///< Shorter than a header: empty or truncated.
  not_sluice,     ///< No Sluice magic.
  wrong_kind,     ///< A Sluice file of another kind.
  wrong_version,  ///< Of another version of Sluice.
  wrong_size,     ///< The header and the file system disagree about the size.
  system_error,
};

/// An attached Sluice file.
struct SLUICE_EXPORT AttachedSegment {
  AttachOutcome outcome = AttachOutcome::absent;
  std::string reason;  ///< A sentence with the path, what was found and what was expected; empty when ok.
  Mapping mapping;
  std::uint64_t inode = 0;
  UniqueFd fd;  ///< The description that was mapped: never lock it (see FileLock).

  [[nodiscard]] bool ok() const noexcept { return outcome == AttachOutcome::ok; }
};

enum class MapMode { read_write, read_only };

/// Opens, checks and maps a Sluice file: open -> kind of file -> length -> magic -> kind -> version -> size -> map.
/// Files are complete from the moment they have a name, so there is nothing to wait for. `minimum` is the smallest size
/// the kind can have. Does not throw for what other programs may have left there.
[[nodiscard]] SLUICE_EXPORT AttachedSegment attach_segment(const std::string& path, SegmentKind kind,
                                                           std::uint32_t version, std::size_t minimum, MapMode mode);

/// Unlinks the Sluice file at `path`, of whatever version, if nobody holds a lock on its `owner` bytes and the name
/// still means the file that was looked at; whether it did. Only what is plainly of this kind: damaged files are for a
/// person to look at. Never throws for what it finds there.
SLUICE_EXPORT bool remove_dead_segment(const std::string& path, SegmentKind kind, ByteRange owner) noexcept;

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
