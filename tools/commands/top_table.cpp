#include "commands/top_table.hpp"

#include <algorithm>
#include <cstdio>
#include <numeric>

namespace sluice::commands {

namespace {

constexpr std::size_t kLeastElastic = 6;  ///< A narrower column says nothing.

TopCell text_cell(const std::string& text) { return {printable(text), std::nullopt}; }
TopCell count_cell(std::uint64_t count) { return {std::to_string(count), static_cast<double>(count)}; }
TopCell compact_cell(double value) { return {compact(value), value}; }

TopCell time_cell(const std::optional<std::int64_t>& ns) {
  if (!ns) return {"-", std::nullopt};
  return {compact_time(*ns), static_cast<double>(*ns)};
}

std::string state_of(const TopProcess& process) {
  const bool foreign = process.foreign && process.liveliness == Liveliness::alive;
  return foreign ? "foreign" : to_string(process.liveliness);
}

std::string formatted(const char* format, double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

/// Three digits that count.
std::string three_digits(double value) {
  return formatted(value < 9.995 ? "%.2f" : value < 99.95 ? "%.1f" : "%.0f", value);
}

/// The end of a name says more than its beginning.
std::string cut(const std::string& text, std::size_t width) {
  if (text.size() <= width) return text;
  return width == 0 ? "" : "<" + text.substr(text.size() - width + 1);
}

std::string padded(const std::string& text, std::size_t width, bool right) {
  const std::string spaces(width > text.size() ? width - text.size() : 0, ' ');
  return right ? spaces + text : text + spaces;
}

std::string title_of(const TopTable& table, std::size_t column, const TopOrder& order) {
  return table.columns[column].title + (column == order.column ? "*" : "");
}

std::vector<std::size_t> widths_of(const TopTable& table, std::size_t width, const TopOrder& order) {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    std::size_t widest = title_of(table, c, order).size();
    for (const TopRow& row : table.rows) widest = std::max(widest, row.cells[c].text.size());
    widths.push_back(widest);
  }
  std::size_t all = std::accumulate(widths.begin(), widths.end(), widths.size() - 1);
  for (std::size_t c = table.columns.size(); c-- > 0 && width != 0 && all > width;) {
    if (!table.columns[c].elastic || widths[c] <= kLeastElastic) continue;
    const std::size_t less = std::min(widths[c] - kLeastElastic, all - width);
    widths[c] -= less;
    all -= less;
  }
  return widths;
}

std::string line_of(const TopTable& table, const std::vector<std::string>& texts,
                    const std::vector<std::size_t>& widths, std::size_t width) {
  std::string line;
  for (std::size_t c = 0; c < texts.size(); ++c) {
    line += (c == 0 ? "" : " ") + padded(cut(texts[c], widths[c]), widths[c], table.columns[c].numeric);
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return width == 0 ? line : line.substr(0, width);
}

}  // namespace

std::string compact(double value) {
  constexpr std::array kUnits{"", "k", "M", "G", "T"};
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  if (unit == 0)
    return value == static_cast<double>(static_cast<int>(value)) ? formatted("%.0f", value) : formatted("%.1f", value);
  return three_digits(value) + kUnits[unit];
}

std::string compact_time(std::int64_t ns) {
  const auto value = static_cast<double>(ns);
  if (value < 999.5) return formatted("%.0fns", value);
  if (value < 999.5e3) return three_digits(value / 1e3) + "us";
  return value < 999.5e6 ? three_digits(value / 1e6) + "ms" : three_digits(value / 1e9) + "s";
}

std::string printable(const std::string& text) {
  std::string clean = text;
  for (char& letter : clean) {
    if (letter < 0x20 || letter == 0x7f) letter = '?';  // also what is no ASCII, whose width is not known
  }
  return clean;
}

void TopTable::sort(const TopOrder& order) {
  const std::size_t column = order.column;
  const auto before = [&](const TopRow& a, const TopRow& b) {
    const TopCell& left = a.cells[column];
    const TopCell& right = b.cells[column];
    if (!columns[column].numeric) return order.reversed ? right.text < left.text : left.text < right.text;
    if (!left.number || !right.number) return left.number.has_value() && !right.number;  // not known: always last
    return order.reversed ? *left.number < *right.number : *left.number > *right.number;
  };
  std::stable_sort(rows.begin(), rows.end(), before);
}

std::vector<std::string> TopTable::lines(std::size_t width, const TopOrder& order) const {
  const auto widths = widths_of(*this, width, order);
  std::vector<std::string> texts;
  for (std::size_t c = 0; c < columns.size(); ++c) texts.push_back(title_of(*this, c, order));
  std::vector<std::string> result{line_of(*this, texts, widths, width)};
  for (const TopRow& row : rows) {
    std::transform(row.cells.begin(), row.cells.end(), texts.begin(), [](const TopCell& cell) { return cell.text; });
    result.push_back(line_of(*this, texts, widths, width));
  }
  return result;
}

TopTable table_of(const std::vector<TopProcess>& processes) {
  TopTable table;
  table.columns = {{"pid", "PID", true},  {"name", "NAME", false, true},
                   {"cpu", "CPU%", true}, {"memory", "MEMORY", true},
                   {"state", "STATE"},    {"nodes", "NODES", false, true}};
  for (const TopProcess& process : processes) {
    std::string nodes;
    for (const std::string& node : process.nodes) nodes += (nodes.empty() ? "" : " ") + node;
    TopRow row;
    row.cells = {count_cell(static_cast<std::uint64_t>(process.pid)),
                 text_cell(process.name),
                 process.cpu ? TopCell{formatted("%.1f", *process.cpu), process.cpu} : TopCell{"-", std::nullopt},
                 process.memory ? compact_cell(static_cast<double>(*process.memory)) : TopCell{"-", std::nullopt},
                 text_cell(state_of(process)),
                 text_cell(nodes)};
    if (process.liveliness == Liveliness::late) row.mark = TopMark::late;
    if (process.liveliness == Liveliness::lost) row.mark = TopMark::lost;
    table.rows.push_back(std::move(row));
  }
  return table;
}

TopTable table_of(const std::vector<TopTopic>& topics) {
  TopTable table;
  table.columns = {{"topic", "TOPIC", false, true},
                   {"publishers", "PUB", true},
                   {"subscriptions", "SUB", true},
                   {"rate", "MSG/S", true},
                   {"bandwidth", "B/S", true},
                   {"p50", "P50", true},
                   {"p99", "P99", true},
                   {"lost", "LOST", true},
                   {"skipped", "SKIPPED", true},
                   {"queued", "QUEUED", true}};
  for (const TopTopic& topic : topics) {
    TopRow row;
    row.cells = {text_cell(topic.name),
                 count_cell(topic.publishers),
                 count_cell(topic.subscriptions),
                 compact_cell(topic.rate),
                 compact_cell(topic.bandwidth),
                 time_cell(topic.median_ns),
                 time_cell(topic.p99_ns),
                 compact_cell(static_cast<double>(topic.lost)),
                 compact_cell(static_cast<double>(topic.skipped)),
                 compact_cell(static_cast<double>(topic.queued))};
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace sluice::commands
