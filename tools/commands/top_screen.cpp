#include "commands/top_screen.hpp"

#include <algorithm>

#include <sluice/error.hpp>

namespace sluice::commands {

namespace {

constexpr const char* kKeys = "q quit  s sort  r reverse  p processes/topics  space pause  arrows scroll";
constexpr std::size_t kFrame = 3;  ///< Lines that are no table: title, the empty one between the tables, keys.

const std::array<std::vector<TopColumn>, 2>& all_columns() {
  static const std::array all{table_of(std::vector<TopProcess>{}).columns, table_of(std::vector<TopTopic>{}).columns};
  return all;
}

std::size_t column_of(std::size_t table, const std::string& key) {
  const auto& columns = all_columns()[table];
  const auto found =
      std::find_if(columns.begin(), columns.end(), [&](const auto& column) { return column.key == key; });
  return static_cast<std::size_t>(found - columns.begin());
}

std::string in_reverse(const std::string& text) { return "\x1b[7m" + text + "\x1b[0m"; }

std::string coloured(const std::string& text, TopMark mark) {
  if (mark == TopMark::none) return text;
  return (mark == TopMark::late ? "\x1b[33m" : "\x1b[31m") + text + "\x1b[0m";
}

}  // namespace

TopScreen::TopScreen(const std::string& sort) {
  order_[kProcesses].column = column_of(kProcesses, "cpu");
  if (sort.empty()) return;
  std::vector<std::string> keys;
  std::string list;
  for (const std::size_t table : {kProcesses, kTopics}) {
    for (std::size_t c = 0; c < all_columns()[table].size(); ++c) {
      const std::string& key = all_columns()[table][c].key;
      keys.push_back(key);
      list += (list.empty() ? "" : ", ") + key;
      if (key != sort) continue;
      order_[table].column = c;
      sorting_ = table;
      return;
    }
  }
  throw Error("--sort: there is no column '" + sort + "'" + did_you_mean(sort, keys) + " (" + list + ")");
}

bool TopScreen::shows(std::size_t table) const noexcept {
  return show_ == Show::both || (table == kProcesses) == (show_ == Show::processes);
}

void TopScreen::sort_next() {
  TopOrder& order = order_[sorting_];
  order.reversed = false;
  if (++order.column < all_columns()[sorting_].size()) return;
  order.column = 0;
  if (show_ == Show::both) {
    sorting_ = 1 - sorting_;
    order_[sorting_] = {};
  }
}

void TopScreen::press(Key key) {
  const auto scroll = [&](std::size_t rows, bool down) {
    for (std::size_t& first : first_) first = down ? first + rows : first - std::min(first, rows);
  };
  switch (key) {
    case Key::sort: return sort_next();
    case Key::reverse: order_[sorting_].reversed = !order_[sorting_].reversed; return;
    case Key::show:
      show_ = show_ == Show::both ? Show::processes : show_ == Show::processes ? Show::topics : Show::both;
      if (!shows(sorting_)) sorting_ = 1 - sorting_;
      return;
    case Key::pause: paused_ = !paused_; return;
    case Key::up: return scroll(1, false);
    case Key::down: return scroll(1, true);
    case Key::page_up: return scroll(page_, false);
    case Key::page_down: return scroll(page_, true);
    case Key::quit:
    case Key::redraw: return;
  }
}

std::array<TopTable, 2> TopScreen::sorted(const TopFrame& frame) const {
  std::array<TopTable, 2> tables{table_of(frame.processes), table_of(frame.topics)};
  for (std::size_t table = 0; table < tables.size(); ++table) tables[table].sort(order_[table]);
  return tables;
}

void TopScreen::add_table(std::vector<std::string>& lines, const TopTable& table, std::size_t which, std::size_t rows,
                          std::size_t width, bool colours) {
  if (rows == 0) return;
  page_ = std::max<std::size_t>(rows - 1, 1);
  const auto all = table.lines(width, order_[which]);
  const std::size_t most = table.rows.size() - std::min(table.rows.size(), rows - 1);
  first_[which] = std::min(first_[which], most);
  std::string head = all.front();
  head.resize(width, ' ');
  lines.push_back(in_reverse(head));
  for (std::size_t row = first_[which]; row < std::min(table.rows.size(), first_[which] + rows - 1); ++row) {
    lines.push_back(colours ? coloured(all[row + 1], table.rows[row].mark) : all[row + 1]);
  }
}

std::vector<std::string> TopScreen::lines(const TopFrame& frame, const std::string& title, Terminal::Size size,
                                          bool colours) {
  const auto tables = sorted(frame);
  std::vector<std::string> lines{(paused_ ? "PAUSED  " + title : title).substr(0, size.columns)};
  const std::size_t room = size.rows > kFrame ? size.rows - kFrame : 0;
  std::array<std::size_t, 2> rows{tables[kProcesses].rows.size() + 1, tables[kTopics].rows.size() + 1};
  if (show_ != Show::both) {
    rows[kProcesses] = rows[kTopics] = room + 1;
  } else if (rows[kProcesses] + rows[kTopics] > room) {  // neither gets less than half of it if it needs that
    const std::size_t half = room / 2;
    rows[kProcesses] = std::min(rows[kProcesses], std::max(half, room - std::min(room, rows[kTopics])));
    rows[kTopics] = room - rows[kProcesses];
  }
  for (const std::size_t which : {kProcesses, kTopics}) {
    if (!shows(which)) continue;
    if (which == kTopics && shows(kProcesses) && room > 0) lines.emplace_back();
    add_table(lines, tables[which], which, rows[which], size.columns, colours);
  }
  lines.resize(size.rows);
  if (size.rows > 1) lines.back() = std::string(kKeys).substr(0, size.columns);
  return lines;
}

std::string TopScreen::batch(const TopFrame& frame) const {
  const auto tables = sorted(frame);
  std::string text;
  for (std::size_t table = 0; table < tables.size(); ++table) {
    for (const std::string& line : tables[table].lines(0, order_[table])) text += line + "\n";
    text += "\n";
  }
  return text;
}

}  // namespace sluice::commands
