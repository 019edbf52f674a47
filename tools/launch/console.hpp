#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "asio.hpp"

namespace sluice::launch {

enum class Severity { info, warning, error };

/// Everything the launcher prints goes through here, in order. A thread of its own writes, because a write to a pipe
/// or a terminal that nobody reads blocks, and supervision must go on: signals, deadlines, exits.
///
/// Thread safety: all functions are for the thread that runs the io_context; handlers run there too. The writing thread
/// is never joined, it may be stuck for good: an object of this class must live until the process exits.
class Console {
 public:
  struct Handlers {
    std::function<void()> on_room;    ///< After `full()` was true or `flushed()` false: all of that is written.
    std::function<void()> on_broken;  ///< Once: `fd` cannot be written any more; what follows is thrown away.
  };

  Console(asio::io_context& io, int fd, Handlers handlers);
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  /// "[INFO] [launch]: message", and "[INFO] [launch]: [talker-1]: message" with a label.
  void log(Severity severity, std::string_view message);
  void log(Severity severity, std::string_view label, std::string_view message);

  /// Adds "[label] line\n" to `out`; the colour depends on `index`.
  void format_line(std::string& out, std::string_view label, std::size_t index, std::string_view line) const;
  void write(std::string text);

  /// Enough is waiting to be written: stop producing until `on_room`. Nothing is dropped by who goes on.
  [[nodiscard]] bool full();
  /// Everything has been written; otherwise `on_room` will say when to ask again.
  [[nodiscard]] bool flushed();

 private:
  void write_forever();
  bool write_all(std::string_view text) const;
  [[nodiscard]] std::string paint(const char* colour, std::string_view text) const;

  asio::io_context& io_;
  const int fd_;
  const bool colour_;
  Handlers handlers_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string waiting_;  ///< Guarded by mutex_, as is all below.
  bool writing_ = false;
  bool room_wanted_ = false;
  bool broken_ = false;
};

}  // namespace sluice::launch
