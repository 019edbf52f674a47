#pragma once

#include <cstdint>

#include <sluice/shm/atomic.hpp>
#include <sluice/shm/kill_point.hpp>

namespace sluice::slick {

/// Messages between two publications of an endpoint's books.
inline constexpr std::uint64_t kBooksPeriod = 64;

/// Publishes several counters as one consistent set: odd while they change. One writer; dying inside leaves the version
/// odd, and readers then take what is there (`read_books` gives up waiting).
class BooksWrite {
 public:
  explicit BooksWrite(shm::SharedAtomic<std::uint64_t>& version) noexcept
      : version_(version), odd_(version.load_relaxed() | 1U) {
    version_.store_relaxed(odd_);
    SLUICE_KILL_POINT("slick.books.opened");
    shm::fence_release();
  }
  ~BooksWrite() {
    SLUICE_KILL_POINT("slick.books.written");
    version_.store_release(odd_ + 1);
  }
  BooksWrite(const BooksWrite&) = delete;
  BooksWrite& operator=(const BooksWrite&) = delete;

 private:
  shm::SharedAtomic<std::uint64_t>& version_;
  std::uint64_t odd_;
};

/// Calls `read`, again while a write overlaps, at most 1000 times.
template <typename Read>
void read_books(const shm::SharedAtomic<std::uint64_t>& version, Read read) noexcept {
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const std::uint64_t before = version.load_acquire();
    read();
    shm::fence_acquire();
    if ((before & 1U) == 0 && version.load_relaxed() == before) return;
    shm::spin_pause();
  }
}

}  // namespace sluice::slick
