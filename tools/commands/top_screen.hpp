#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "commands/terminal.hpp"
#include "commands/top_table.hpp"

namespace sluice::commands {

/// What of the tables is on the screen, as the keys have changed it.
class TopScreen {
 public:
  /// `sort`: the key of a column, or empty. Throws Error when there is no such column, with the nearest one.
  explicit TopScreen(const std::string& sort);

  /// What a key does; not `quit`.
  void press(Key key);

  [[nodiscard]] bool paused() const noexcept { return paused_; }

  /// The whole screen.
  [[nodiscard]] std::vector<std::string> lines(const TopFrame& frame, const std::string& title, Terminal::Size size,
                                               bool colours);

  /// Plain tables.
  [[nodiscard]] std::string batch(const TopFrame& frame) const;

 private:
  static constexpr std::size_t kProcesses = 0;
  static constexpr std::size_t kTopics = 1;
  enum class Show : unsigned char { both, processes, topics };

  [[nodiscard]] bool shows(std::size_t table) const noexcept;
  void sort_next();
  void add_table(std::vector<std::string>& lines, const TopTable& table, std::size_t which, std::size_t rows,
                 std::size_t width, bool colours);
  [[nodiscard]] std::array<TopTable, 2> sorted(const TopFrame& frame) const;

  std::array<TopOrder, 2> order_;
  std::array<std::size_t, 2> first_{};  ///< The topmost row that is to be seen.
  std::size_t sorting_ = kProcesses;    ///< The table that `s` and `r` are about.
  std::size_t page_ = 1;
  Show show_ = Show::both;
  bool paused_ = false;
};

}  // namespace sluice::commands
