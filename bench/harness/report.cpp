#include "harness/report.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <stdexcept>

#include "harness/machine.hpp"

namespace sluice::bench {

const char* text(Unit unit) noexcept {
  switch (unit) {
    case Unit::half_round_trip_ns: return "ns of half a round trip";
    case Unit::ns: return "ns";
    case Unit::million_per_second: return "million messages received per second";
  }
  return "";
}

std::string size_text(std::size_t size) {
  if (size < 1024) return std::to_string(size) + " B";
  if (size < 1024 * 1024) return std::to_string(size / 1024) + " KiB";
  return std::to_string(size / 1024 / 1024) + " MiB";
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double median_of(const std::vector<Outcome>& outcomes, double Outcome::*member) {
  std::vector<double> values;
  for (const Outcome& outcome : outcomes) values.push_back(outcome.*member);
  return median(std::move(values));
}

double Result::median_ratio() const {
  std::vector<double> ratios;
  for (std::size_t k = 0; k < measured.size(); ++k) ratios.push_back(measured[k].value / limits[k].value);
  return median(std::move(ratios));
}

bool Result::meets_goal() const {
  if (!row.goal) return true;
  return is_rate() ? median_ratio() >= *row.goal : median_ratio() <= *row.goal;
}

Result run_row(const Row& row, int pairs) {
  Result result{row, {}, {}};
  for (int pair = 0; pair < pairs; ++pair) {
    // Taking turns in going first: what drifts in the course of a pair does not favour one of them.
    if (pair % 2 == 0) result.limits.push_back(row.limit());
    result.measured.push_back(row.measured());
    if (pair % 2 != 0) result.limits.push_back(row.limit());
  }
  return result;
}

void print_machine(std::FILE* out) {
  for (const auto& [what, value] : describe_machine()) std::fprintf(out, "%-28s %s\n", what.c_str(), value.c_str());
}

void print_heading(std::FILE* out, const Row& row) {
  const bool latency = row.unit != Unit::million_per_second;
  std::fprintf(out, "\n%s: %s, medians of the pairs\n", row.group.c_str(), text(row.unit));
  std::fprintf(out, "%-34s %10s %10s %10s %10s %7s %6s  %s\n", "", latency ? "time" : "rate", latency ? "p50" : "lost",
               latency ? "p99" : "", latency ? "p99.9" : "", "ratio", "goal", "limit, and its spread over the pairs");
}

void print_result(std::FILE* out, const Result& result) {
  const Row& row = result.row;
  std::vector<double> limits;
  for (const Outcome& outcome : result.limits) limits.push_back(outcome.value);
  const auto [least, most] = std::minmax_element(limits.begin(), limits.end());
  std::fprintf(out, "%-34s %10.1f ", row.name.c_str(), median_of(result.measured, &Outcome::value));
  if (!result.is_rate()) {
    std::fprintf(out, "%10.1f %10.1f %10.1f ", median_of(result.measured, &Outcome::p50),
                 median_of(result.measured, &Outcome::p99), median_of(result.measured, &Outcome::p999));
  } else {
    double lost = 0;
    double sent = 0;
    for (const Outcome& outcome : result.measured) {
      lost += static_cast<double>(outcome.lost);
      sent += static_cast<double>(outcome.lost + outcome.received);
    }
    std::fprintf(out, "%9.1f%% %10s %10s ", sent > 0 ? 100 * lost / sent : 0, "", "");
  }
  std::fprintf(out, "%6.2fx ", result.median_ratio());
  if (row.goal) {
    std::fprintf(out, "%5.2f%c", *row.goal, result.meets_goal() ? ' ' : '!');
  } else {
    std::fprintf(out, "%6s", "");
  }
  std::fprintf(out, "  %s %.1f (%.1f to %.1f)\n", row.limit_name.c_str(), median(limits), *least, *most);
  std::fflush(out);
}

void write_json(const std::string& path, int pairs, const std::vector<Result>& results) {
  nlohmann::ordered_json document;
  for (const auto& [what, value] : describe_machine()) document["machine"][what] = value;
  document["pairs"] = pairs;
  document["rows"] = nlohmann::ordered_json::array();
  for (const Result& result : results) {
    std::vector<double> limits;
    std::uint64_t lost = 0;
    std::uint64_t received = 0;
    for (const Outcome& outcome : result.limits) limits.push_back(outcome.value);
    for (const Outcome& outcome : result.measured) {
      lost += outcome.lost;
      received += outcome.received;
    }
    nlohmann::ordered_json row{
        {"group", result.row.group},      {"name", result.row.name},
        {"unit", text(result.row.unit)},  {"value", median_of(result.measured, &Outcome::value)},
        {"ratio", result.median_ratio()}, {"limit", {{"name", result.row.limit_name}, {"median", median(limits)}}}};
    row["limit"]["min"] = *std::min_element(limits.begin(), limits.end());
    row["limit"]["max"] = *std::max_element(limits.begin(), limits.end());
    if (result.row.unit == Unit::half_round_trip_ns) {
      row["p50"] = median_of(result.measured, &Outcome::p50);
      row["p99"] = median_of(result.measured, &Outcome::p99);
      row["p99.9"] = median_of(result.measured, &Outcome::p999);
    } else if (result.is_rate()) {
      row["received"] = received;
      row["lost"] = lost;
    }
    if (result.row.goal) row["goal"] = *result.row.goal;
    document["rows"].push_back(std::move(row));
  }
  std::ofstream file(path);
  file << document.dump(2) << '\n';
  file.close();
  if (!file) throw std::runtime_error("cannot write '" + path + "'");
}

}  // namespace sluice::bench
