#pragma once

#include <functional>
#include <string>

#include "control/asio.hpp"

namespace sluice::detail {

/// Tells what happens to the files of one directory: inotify through Asio. The io_context's thread only.
class DirectoryWatch {
 public:
  struct Callbacks {
    /// A file appeared, or its times or rights were changed.
    std::function<void(const std::string& name)> changed;
    /// A file was closed by somebody who could write it, or lost its name: its owner may be gone.
    std::function<void(const std::string& name)> closed;
    /// Something was missed: look at everything anew.
    std::function<void()> overflowed;
    /// The directory itself was removed or renamed; the watch has ended.
    std::function<void()> gone;
  };

  DirectoryWatch(boost::asio::io_context& context, Callbacks callbacks);

  /// Begins, also anew; not from a callback. False: there is no inotify instance to be had (EMFILE), or no such
  /// directory.
  [[nodiscard]] bool begin(const std::string& directory);

  [[nodiscard]] bool running() const noexcept { return inotify_.is_open(); }

 private:
  void wait();
  void read_events();
  void handle(const char* events, std::size_t size);

  boost::asio::posix::stream_descriptor inotify_;
  Callbacks callbacks_;
};

}  // namespace sluice::detail
