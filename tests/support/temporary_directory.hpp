#pragma once

#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace sluice::test {

/// A fresh directory in shared memory, removed with everything in it. SLUICE_TEST_DIRECTORY in the environment is where
/// it is made, for whoever wants to clean up behind a program that does not get to its end.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    const char* parent = std::getenv("SLUICE_TEST_DIRECTORY");
    path_ = std::string(parent == nullptr ? "/dev/shm" : parent) + "/sluice-test-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot make the directory " + path_);
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

}  // namespace sluice::test
