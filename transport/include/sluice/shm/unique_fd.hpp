#pragma once

#include <unistd.h>

#include <utility>

namespace sluice::shm {

/// Owns a file descriptor.
class UniqueFd {
 public:
  UniqueFd() = default;
  /// Takes over an open descriptor, or -1 for none.
  explicit UniqueFd(int fd) noexcept : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~UniqueFd() { reset(); }

  /// -1: none.
  [[nodiscard]] int get() const noexcept { return fd_; }

  /// Whether it owns one.
  [[nodiscard]] bool valid() const noexcept { return fd_ >= 0; }

  /// Hands the descriptor to the caller, who closes it.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

  /// Closes the descriptor now.
  void reset() noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

}  // namespace sluice::shm
