#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice::launch {

/// Cuts a stream of bytes into lines. A line longer than the limit is handed out in pieces, so that a program which
/// never ends its line costs a bounded amount of memory and is seen all the same.
class LineSplitter {
 public:
  explicit LineSplitter(std::size_t longest = std::size_t{64} * 1024) : longest_(longest) {}

  /// Calls `line(std::string_view)` without the newline for every line that is complete now.
  template <typename Line>
  void feed(std::string_view bytes, Line&& line) {
    while (!bytes.empty()) {
      const std::size_t room = longest_ - rest_.size();
      const std::size_t end = bytes.find('\n');
      if (end != std::string_view::npos && end <= room) {
        emit(bytes.substr(0, end), line);
        bytes.remove_prefix(end + 1);
      } else if (bytes.size() > room) {
        emit(bytes.substr(0, room), line);
        bytes.remove_prefix(room);
      } else {
        rest_ += bytes;
        return;
      }
    }
  }

  /// Hands out what is there of a line that was never ended.
  template <typename Line>
  void finish(Line&& line) {
    if (!rest_.empty()) emit({}, line);
  }

 private:
  template <typename Line>
  void emit(std::string_view tail, Line& line) {
    if (rest_.empty()) {
      line(tail);
      return;
    }
    rest_ += tail;
    line(std::string_view(rest_));
    rest_.clear();
  }

  std::size_t longest_;
  std::string rest_;
};

}  // namespace sluice::launch
