#include <sluice/units.hpp>

#include <sluice/error.hpp>

#include <sluice/detail/quote.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>

namespace sluice {

namespace {

// Exact arithmetic without rounding: 64-bit number times unit times decimal places.
__extension__ using Wide = unsigned __int128;

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array kSizeUnits{
    Unit{"B", 1},           Unit{"kB", 1'000},         Unit{"KB", 1'000},
    Unit{"MB", 1'000'000},  Unit{"GB", 1'000'000'000}, Unit{"KiB", 1U << 10U},
    Unit{"MiB", 1U << 20U}, Unit{"GiB", 1U << 30U},
};

// From the largest down, as format_duration needs them.
constexpr std::array kDurationUnits{
    Unit{"h", 3'600'000'000'000}, Unit{"min", 60'000'000'000}, Unit{"s", 1'000'000'000},
    Unit{"ms", 1'000'000},        Unit{"us", 1'000},           Unit{"ns", 1},
};

/// What kind of quantity is read, and all that its error sentences need.
struct Quantity {
  std::string_view noun;
  std::string_view accepted;
  std::string_view smallest;  // "byte", "nanosecond"
  std::uint64_t largest;
};

constexpr Quantity kSize{"size", "accepted is a number with B, kB, KB, MB, GB, KiB, MiB or GiB, such as 64KiB", "byte",
                         std::numeric_limits<std::size_t>::max()};
constexpr Quantity kDuration{"duration", "accepted is a number with ns, us, ms, s, min or h, such as 100ms",
                             "nanosecond", static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())};

[[noreturn]] void refuse(const Quantity& quantity, std::string_view text, const std::string& reason) {
  throw Error(std::string{quantity.noun} + " " + detail::quote(text) + " " + reason + "; " +
              std::string{quantity.accepted});
}

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

std::string_view take_digits(std::string_view& rest) {
  const auto end = std::find_if_not(rest.begin(), rest.end(), is_digit);
  const std::string_view digits = rest.substr(0, static_cast<std::size_t>(end - rest.begin()));
  rest.remove_prefix(digits.size());
  return digits;
}

struct Number {
  std::string_view whole;
  std::string_view fraction;  // without trailing zeros
  std::string_view unit;
};

Number split(const Quantity& quantity, std::string_view text) {
  std::string_view rest = text;
  Number number;
  if (rest.starts_with('-')) refuse(quantity, text, "is negative");
  number.whole = take_digits(rest);
  if (number.whole.empty()) refuse(quantity, text, "does not begin with a number");
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    number.fraction = take_digits(rest);
    if (number.fraction.empty()) refuse(quantity, text, "has no digit after the point");
    while (number.fraction.ends_with('0')) number.fraction.remove_suffix(1);
  }
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  number.unit = rest;
  return number;
}

/// whole.fraction * factor, when that is a whole number and in range.
std::uint64_t scale(const Quantity& quantity, std::string_view text, const Number& number, std::uint64_t factor) {
  Wide value = 0;
  for (const char digit : number.whole) {
    value = value * 10 + static_cast<Wide>(digit - '0');
    if (value > quantity.largest) refuse(quantity, text, "is too large");
  }
  constexpr std::size_t kMostFractionDigits = 15;  // of hours, still below 2^128
  if (number.fraction.size() > kMostFractionDigits) refuse(quantity, text, "has too many digits after the point");
  Wide fraction = 0;
  Wide divisor = 1;
  for (const char digit : number.fraction) {
    fraction = fraction * 10 + static_cast<Wide>(digit - '0');
    divisor *= 10;
  }
  fraction *= factor;
  if (fraction % divisor != 0) {
    refuse(quantity, text, "is not a whole number of " + std::string{quantity.smallest} + "s");
  }
  value = value * factor + fraction / divisor;
  if (value > quantity.largest) refuse(quantity, text, "is too large");
  return static_cast<std::uint64_t>(value);
}

template <std::size_t N>
std::optional<std::uint64_t> factor_of(const std::array<Unit, N>& units, std::string_view name) {
  const auto found = std::find_if(units.begin(), units.end(), [&](const Unit& unit) { return unit.name == name; });
  if (found == units.end()) return std::nullopt;
  return found->factor;
}

template <std::size_t N>
std::uint64_t parse(const Quantity& quantity, const std::array<Unit, N>& units, std::string_view text) {
  const Number number = split(quantity, text);
  if (number.unit.empty()) {
    const bool zero = number.fraction.empty() && number.whole.find_first_not_of('0') == std::string_view::npos;
    if (&quantity == &kDuration && !zero) refuse(quantity, text, "has no unit");
    return scale(quantity, text, number, 1);
  }
  const std::optional<std::uint64_t> factor = factor_of(units, number.unit);
  if (!factor) refuse(quantity, text, "has the unknown unit " + detail::quote(number.unit));
  return scale(quantity, text, number, *factor);
}

}  // namespace

std::size_t parse_size(std::string_view text) { return parse(kSize, kSizeUnits, text); }

std::chrono::nanoseconds parse_duration(std::string_view text) {
  return std::chrono::nanoseconds{static_cast<std::int64_t>(parse(kDuration, kDurationUnits, text))};
}

std::string format_size(std::size_t bytes) {
  // Decimal units are left out on purpose: 1000 printed as 1kB would be mistaken for 1KiB.
  for (const Unit unit : {Unit{"GiB", 1U << 30U}, Unit{"MiB", 1U << 20U}, Unit{"KiB", 1U << 10U}}) {
    if (bytes != 0 && bytes % unit.factor == 0) return std::to_string(bytes / unit.factor) + std::string{unit.name};
  }
  return std::to_string(bytes) + "B";
}

std::string format_duration(std::chrono::nanoseconds duration) {
  const std::int64_t count = duration.count();
  if (count == 0) return "0s";
  // Negated as unsigned, since the smallest value has no positive counterpart.
  const std::uint64_t magnitude = count < 0 ? 0 - static_cast<std::uint64_t>(count) : static_cast<std::uint64_t>(count);
  for (const Unit& unit : kDurationUnits) {
    if (magnitude % unit.factor != 0) continue;
    return (count < 0 ? "-" : "") + std::to_string(magnitude / unit.factor) + std::string{unit.name};
  }
  return std::to_string(count) + "ns";
}

}  // namespace sluice
