#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <string>

namespace sluice::test {

/// A name in /dev/shm that is gone again at the end of the test.
class SegmentName {
 public:
  SegmentName() {
    static std::atomic<unsigned> count{0};
    name_ = "/sluice-test-" + std::to_string(::getpid()) + "-" + std::to_string(count.fetch_add(1));
  }
  ~SegmentName() { ::shm_unlink(name_.c_str()); }
  SegmentName(const SegmentName&) = delete;
  SegmentName& operator=(const SegmentName&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::string path() const { return "/dev/shm" + name_; }

 private:
  std::string name_;
};

}  // namespace sluice::test
