#include "shm/pages.hpp"

#include <sys/mman.h>

#include <sluice/sanitizers.hpp>

#if SLUICE_THREAD_SANITIZER
#include <sys/stat.h>

#include <cerrno>
#include <map>
#include <mutex>
#include <tuple>
#endif

namespace sluice::shm {

namespace {

void* map_anew(int fd, std::size_t size, MapMode mode, bool populate) noexcept {
  const int protection = mode == MapMode::read_write ? PROT_READ | PROT_WRITE : PROT_READ;
  return ::mmap(nullptr, size, protection, MAP_SHARED | (populate ? MAP_POPULATE : 0), fd, 0);
}

}  // namespace

#if !SLUICE_THREAD_SANITIZER

void* map_pages(int fd, std::size_t size, MapMode mode, bool populate) noexcept {
  return map_anew(fd, size, mode, populate);
}

void unmap_pages(void* data, std::size_t size) noexcept { ::munmap(data, size); }

#else

namespace {

/// The mappings of this process. A mapped file's inode cannot be another file's, so the key stays true.
class MappedFiles {
 public:
  using Key = std::tuple<dev_t, ino_t, std::size_t>;

  void* share(int fd, std::size_t size, MapMode mode, bool populate) {
    struct stat info {};
    if (::fstat(fd, &info) != 0) return MAP_FAILED;
    const std::lock_guard lock(mutex_);
    const Key key{info.st_dev, info.st_ino, size};
    Use& use = uses_[key];
    if (use.data == nullptr || (mode == MapMode::read_write && use.mode == MapMode::read_only)) {
      void* data = map_anew(fd, size, mode, populate);
      if (data == MAP_FAILED || use.data != nullptr) return data;  // a second one, writable: not shared
      use.data = data;
      use.mode = mode;
    }
    ++use.count;
    return use.data;
  }

  void give_back(void* data, std::size_t size) {
    const std::lock_guard lock(mutex_);
    for (auto use = uses_.begin(); use != uses_.end(); ++use) {
      if (use->second.data != data) continue;
      if (--use->second.count > 0) return;
      uses_.erase(use);
      break;
    }
    ::munmap(data, size);
  }

 private:
  struct Use {
    void* data = nullptr;
    MapMode mode = MapMode::read_only;
    std::size_t count = 0;
  };

  std::mutex mutex_;
  std::map<Key, Use> uses_;
};

MappedFiles& mapped_files() {
  static auto* files = new MappedFiles;  // never destroyed: mappings of static objects may go later
  return *files;
}

}  // namespace

void* map_pages(int fd, std::size_t size, MapMode mode, bool populate) noexcept {
  return mapped_files().share(fd, size, mode, populate);
}

void unmap_pages(void* data, std::size_t size) noexcept { mapped_files().give_back(data, size); }

#endif

}  // namespace sluice::shm
