#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "commands/top_sample.hpp"

namespace sluice::commands {

/// A field of a table: what is shown, and what it is sorted by.
struct TopCell {
  std::string text;
  std::optional<double> number;  ///< Nothing: sorted by its text, or not known.
};

struct TopColumn {
  std::string key;    ///< For --sort.
  std::string title;  ///< In the head.
  bool numeric = false;
  bool elastic = false;  ///< It gets what the others leave, and is cut to that.
};

/// Which column a table is sorted by. Numbers begin with the largest, texts with the first.
struct TopOrder {
  std::size_t column = 0;
  bool reversed = false;
};

enum class TopMark : unsigned char { none, late, lost };

struct TopRow {
  std::vector<TopCell> cells;
  TopMark mark = TopMark::none;
};

/// A part of the screen.
struct TopTable {
  std::vector<TopColumn> columns;
  std::vector<TopRow> rows;

  void sort(const TopOrder& order);

  /// The head, then the rows. `width` 0: as wide as it gets. The column in `order` is marked in the head.
  [[nodiscard]] std::vector<std::string> lines(std::size_t width, const TopOrder& order) const;
};

[[nodiscard]] TopTable table_of(const std::vector<TopProcess>& processes);
[[nodiscard]] TopTable table_of(const std::vector<TopTopic>& topics);

/// "0", "12.3", "4.56k", "7.8M".
[[nodiscard]] std::string compact(double value);

/// "850ns", "12us", "3.4ms", "1.2s".
[[nodiscard]] std::string compact_time(std::int64_t ns);

/// Letters that a terminal shows, whatever a process calls itself.
[[nodiscard]] std::string printable(const std::string& text);

}  // namespace sluice::commands
