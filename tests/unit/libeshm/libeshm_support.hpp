#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <iterator>
#include <stdexcept>
#include <string>

#include <eshm.h>

namespace sluice::test {

/// A channel's name; what is left of the channel is removed at the end of the test.
class ChannelName {
 public:
  ChannelName() {
    static std::atomic<unsigned> count{0};
    name_ = "sluice-test-" + std::to_string(::getpid()) + "-" + std::to_string(count.fetch_add(1));
  }
  ~ChannelName() { ::unlink(path().c_str()); }
  ChannelName(const ChannelName&) = delete;
  ChannelName& operator=(const ChannelName&) = delete;

  [[nodiscard]] std::string path() const { return "/dev/shm/eshm_" + name_; }
  [[nodiscard]] bool exists() const { return ::access(path().c_str(), F_OK) == 0; }

  /// The defaults, in this role.
  [[nodiscard]] ESHMConfig config(ESHMRole role) const {
    ESHMConfig config = eshm_default_config(name_.c_str());
    config.role = role;
    return config;
  }

  /// As the golden files were made.
  [[nodiscard]] ESHMConfig still_config(ESHMRole role) const {
    ESHMConfig config = this->config(role);
    config.use_threads = false;
    config.auto_cleanup = false;
    return config;
  }

  [[nodiscard]] std::string bytes() const {
    std::ifstream file(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string name_;
};

/// One end, destroyed with the object.
class End {
 public:
  explicit End(const ESHMConfig& config) : handle_(eshm_init(&config)) {
    if (handle_ == nullptr) throw std::runtime_error("eshm_init returned NULL");
  }
  ~End() { close(); }
  End(const End&) = delete;
  End& operator=(const End&) = delete;

  operator ESHMHandle*() const noexcept { return handle_; }  // NOLINT(google-explicit-constructor): it stands for it
  void close() {
    if (handle_ != nullptr) eshm_destroy(handle_);
    handle_ = nullptr;
  }

 private:
  ESHMHandle* handle_;
};

/// The segment as a program sees it that looks inside.
class Inside {
 public:
  explicit Inside(const ChannelName& name) {
    const int fd = ::open(name.path().c_str(), O_RDWR | O_CLOEXEC);
    void* const mapped = ::mmap(nullptr, sizeof(ESHMData), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::close(fd);
    if (mapped == MAP_FAILED) throw std::runtime_error("cannot map " + name.path());
    data_ = static_cast<ESHMData*>(mapped);
  }
  ~Inside() { ::munmap(data_, sizeof(ESHMData)); }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

  ESHMData* operator->() const noexcept { return data_; }

 private:
  ESHMData* data_ = nullptr;
};

/// What `action` wrote to stderr.
inline std::string written_to_stderr(const std::function<void()>& action) {
  char path[] = "/tmp/sluice-stderr-XXXXXX";
  const int file = ::mkostemp(path, O_CLOEXEC);
  const int before = ::dup(STDERR_FILENO);
  ::dup2(file, STDERR_FILENO);
  action();
  ::dup2(before, STDERR_FILENO);
  ::close(before);
  ::close(file);
  std::ifstream stream(path);
  ::unlink(path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline int write_text(ESHMHandle* handle, const std::string& text) {
  return eshm_write(handle, text.c_str(), text.size() + 1);
}

/// The text, or "code N".
inline std::string read_text(ESHMHandle* handle, std::uint32_t timeout_ms) {
  char buffer[ESHM_MAX_DATA_SIZE];
  std::size_t size = 0;
  const int code = eshm_read_ex(handle, buffer, sizeof buffer, &size, timeout_ms);
  return code == ESHM_SUCCESS ? std::string(buffer, size == 0 ? 0 : size - 1) : "code " + std::to_string(code);
}

inline int try_read(ESHMHandle* handle) {
  char buffer[ESHM_MAX_DATA_SIZE];
  return eshm_read_ex(handle, buffer, sizeof buffer, nullptr, 0);
}

}  // namespace sluice::test
