#pragma once

#include <signal.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <sluice/shm/deadline.hpp>

namespace sluice::commands {

/// What a full screen reacts to.
enum class Key : unsigned char { quit, sort, reverse, show, pause, up, down, page_up, page_down, redraw };

/// The alternate screen of the terminal that stdin and stdout are, one at a time and in a process of one thread. What
/// was there before is there again when this is destroyed, when the process is stopped (Ctrl-Z), and when it crashes.
class Terminal {
 public:
  /// Whether a full screen can be shown.
  [[nodiscard]] static bool available();

  Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal();

  struct Size {
    std::size_t columns = 80;
    std::size_t rows = 24;
  };
  [[nodiscard]] Size size() const;

  /// Shows lines that fit.
  void draw(const std::vector<std::string>& lines);

  /// The next key, or a signal's meaning; nothing at the deadline.
  [[nodiscard]] std::optional<Key> next(shm::Deadline deadline);

 private:
  void enter();
  void leave() noexcept;
  [[nodiscard]] std::optional<Key> from_signal();
  [[nodiscard]] std::optional<Key> from_keyboard();

  int signals_ = -1;
  sigset_t signals_before_{};
  std::string typed_;  ///< Not yet understood.
};

}  // namespace sluice::commands
