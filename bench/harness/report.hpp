#pragma once

#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/outcome.hpp"

namespace sluice::bench {

enum class Unit {
  half_round_trip_ns,
  ns,
  million_per_second,  ///< Of messages received.
};
[[nodiscard]] const char* text(Unit unit) noexcept;

/// One line of the table: something measured beside its limit, run by run.
struct Row {
  std::string group;
  std::string name;
  std::string limit_name;
  Unit unit = Unit::half_round_trip_ns;
  std::function<Outcome()> limit;
  std::function<Outcome()> measured;
  std::optional<double> goal;  ///< Of the ratio: at most (times) or at least (rates).
};

/// Medians over the pairs of one row.
struct Result {
  Row row;
  std::vector<Outcome> limits;
  std::vector<Outcome> measured;

  [[nodiscard]] bool is_rate() const noexcept { return row.unit == Unit::million_per_second; }
  [[nodiscard]] double median_ratio() const;
  [[nodiscard]] bool meets_goal() const;
};

/// Runs `pairs` interleaved pairs, the limit first in every other one.
[[nodiscard]] Result run_row(const Row& row, int pairs);

/// "64 B", "4 KiB", "1 MiB".
[[nodiscard]] std::string size_text(std::size_t size);

[[nodiscard]] double median(std::vector<double> values);
[[nodiscard]] double median_of(const std::vector<Outcome>& outcomes, double Outcome::*member);

void print_machine(std::FILE* out);
void print_heading(std::FILE* out, const Row& row);
void print_result(std::FILE* out, const Result& result);
void write_json(const std::string& path, int pairs, const std::vector<Result>& results);

}  // namespace sluice::bench
