#include <sluice/slick/shared_cursor.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <optional>

#include <sluice/shm/access.hpp>
#include <sluice/shm/deadline.hpp>
#include <sluice/shm/sleep.hpp>
#include <sluice/slick/segment.hpp>

namespace sluice::slick {

namespace {

constexpr std::size_t kSize = sizeof(std::uint64_t);
constexpr std::chrono::seconds kPatience{2};  // for a creator between its open and its ftruncate
constexpr std::chrono::milliseconds kCreatorPollPeriod{1};

std::optional<shm::Mapping> try_attach(const std::string& path, const std::string& what) {
  const shm::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.valid()) {
    if (errno == ENOENT) return std::nullopt;
    throw SystemError("cannot open " + what, errno);
  }
  const shm::Deadline deadline = shm::Deadline::after(kPatience);
  for (;;) {
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) throw SystemError(what + ": cannot examine it", errno);
    if (!S_ISREG(info.st_mode)) throw Error(what + " is not a regular file; choose another name");
    const auto size = static_cast<std::size_t>(info.st_size);
    // Python's shared memory may be rounded up to a page.
    if (size == kSize || size == static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))) {
      return shm::map_file(fd.get(), kSize, shm::MapMode::read_write, true, what);
    }
    if (size != 0 || deadline.passed()) {
      throw Error(what + " has " + std::to_string(size) +
                  " bytes, but a shared cursor has 8; it is something else, or its creator died: choose another name " +
                  "or remove it");
    }
    shm::sleep_for(kCreatorPollPeriod);
  }
}

std::optional<shm::Mapping> try_create(const std::string& path, const std::string& what, std::uint64_t initial,
                                       const shm::Access& access) {
  auto file = shm::UnnamedSegment::create({what, path, kSize, 0, access});
  new (file.mapping().data()) std::atomic<std::uint64_t>(initial);
  if (!file.link()) return std::nullopt;
  return file.take_mapping();
}

}  // namespace

SharedCursor::SharedCursor(const std::string& name, std::uint64_t initial)
    : SharedCursor(name, initial, shm::umask_access(kUpstreamMode)) {}

SharedCursor::SharedCursor(const std::string& name, std::uint64_t initial, const shm::Access& access) {
  const std::string path = segment_path(name);
  const std::string what = "shared cursor '" + path + "'";
  for (int attempt = 0; attempt < 100; ++attempt) {
    if (auto found = try_attach(path, what)) {
      mapping_ = std::move(*found);
      return;
    }
    if (auto made = try_create(path, what, initial, access)) {
      mapping_ = std::move(*made);
      created_ = true;
      return;
    }
  }
  throw Error(what + " is created and removed again all the time by somebody else");
}

bool SharedCursor::remove(const std::string& name) noexcept {
  try {
    return ::unlink(segment_path(name).c_str()) == 0;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace sluice::slick
