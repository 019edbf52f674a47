#include "control/directory_watch.hpp"

#include <sys/inotify.h>

#include <array>
#include <cerrno>
#include <cstring>

#include <sluice/shm/unique_fd.hpp>

namespace sluice::detail {

namespace {

constexpr std::uint32_t kInteresting = IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_CLOSE_WRITE | IN_DELETE |
                                       IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr std::uint32_t kOwnerMayBeGone = IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM;
constexpr std::uint32_t kDirectoryGone = IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED;

constexpr int kReadsAtATime = 16;

}  // namespace

DirectoryWatch::DirectoryWatch(boost::asio::io_context& context, Callbacks callbacks)
    : inotify_(context), callbacks_(std::move(callbacks)) {}

bool DirectoryWatch::begin(const std::string& directory) {
  boost::system::error_code ignored;
  inotify_.close(ignored);
  shm::UniqueFd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd.valid() || ::inotify_add_watch(fd.get(), directory.c_str(), kInteresting) < 0) return false;
  inotify_.assign(fd.get(), ignored);
  if (ignored) return false;
  (void)fd.release();
  wait();
  return true;
}

void DirectoryWatch::wait() {
  inotify_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](const auto& error) {
    if (error) return;
    read_events();
    if (running()) wait();
  });
}

void DirectoryWatch::read_events() {
  alignas(inotify_event) std::array<char, 16384> events;
  // Not until nothing is left: somebody who writes without end would keep the heartbeat from its turn.
  for (int reads = 0; reads < kReadsAtATime && running(); ++reads) {
    const ssize_t size = ::read(inotify_.native_handle(), events.data(), events.size());
    if (size <= 0) return;
    handle(events.data(), static_cast<std::size_t>(size));
  }
}

void DirectoryWatch::handle(const char* events, std::size_t size) {
  bool gone = false;
  for (std::size_t at = 0; at + sizeof(inotify_event) <= size;) {
    inotify_event event{};
    std::memcpy(&event, events + at, sizeof event);
    const std::string name = event.len == 0 ? "" : events + at + sizeof event;
    at += sizeof event + event.len;
    if ((event.mask & IN_Q_OVERFLOW) != 0) {
      callbacks_.overflowed();
    } else if ((event.mask & kDirectoryGone) != 0) {
      gone = true;
    } else if ((event.mask & kOwnerMayBeGone) != 0) {
      callbacks_.closed(name);
    } else {
      callbacks_.changed(name);
    }
  }
  if (!gone) return;
  boost::system::error_code ignored;
  inotify_.close(ignored);
  callbacks_.gone();
}

}  // namespace sluice::detail
