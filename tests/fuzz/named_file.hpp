#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "fuzz/input.hpp"

namespace sluice::fuzz {

/// A file in /dev/shm with a name of this process. A fuzzer that dies of a finding leaves it behind; the campaign
/// removes it then.
class NamedFile {
 public:
  explicit NamedFile(const std::string& prefix = "")
      : name_("/" + prefix + "sluice-fuzz-" + std::to_string(::getpid())) {
    ::unlink(path().c_str());
    fd_ = ::open(path().c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    demand(fd_ >= 0, "there is a /dev/shm");
  }
  ~NamedFile() {
    ::close(fd_);
    ::unlink(path().c_str());
  }
  NamedFile(const NamedFile&) = delete;
  NamedFile& operator=(const NamedFile&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::string path() const { return "/dev/shm" + name_; }
  [[nodiscard]] int fd() const { return fd_; }

  /// Whether the name still means this file.
  [[nodiscard]] bool named() const {
    struct stat of_name {};
    struct stat of_file {};
    return ::stat(path().c_str(), &of_name) == 0 && ::fstat(fd_, &of_file) == 0 && of_name.st_ino == of_file.st_ino;
  }

  /// Makes the file these bytes, and zeros up to `file_size`.
  void write(const std::uint8_t* data, std::size_t size, std::size_t file_size) const {
    demand(::ftruncate(fd_, 0) == 0 && ::pwrite(fd_, data, size, 0) == static_cast<ssize_t>(size) &&
               ::ftruncate(fd_, static_cast<off_t>(file_size)) == 0,
           "there is space in /dev/shm");
  }

 private:
  std::string name_;
  int fd_ = -1;
};

}  // namespace sluice::fuzz
