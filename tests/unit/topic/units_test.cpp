#include <sluice/units.hpp>

#include "unit/topic/error_text.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <cstdint>
#include <limits>

using sluice::format_duration;
using sluice::format_size;
using sluice::parse_duration;
using sluice::parse_size;
using sluice::test::error_text;
using namespace std::chrono_literals;

namespace {

std::string size_error(std::string_view text) {
  return error_text([&] { return parse_size(text); });
}
std::string duration_error(std::string_view text) {
  return error_text([&] { return parse_duration(text); });
}

const std::string kSizes = "; accepted is a number with B, kB, KB, MB, GB, KiB, MiB or GiB, such as 64KiB";
const std::string kDurations = "; accepted is a number with ns, us, ms, s, min or h, such as 100ms";

}  // namespace

TEST_CASE("sizes: every unit, exact fractions, spaces before the unit") {
  CHECK(parse_size("4096") == 4096);
  CHECK(parse_size("0") == 0);
  CHECK(parse_size("007") == 7);
  CHECK(parse_size("512B") == 512);
  CHECK(parse_size("3kB") == 3000);
  CHECK(parse_size("3KB") == 3000);
  CHECK(parse_size("1.5MB") == 1'500'000);
  CHECK(parse_size("2GB") == 2'000'000'000);
  CHECK(parse_size("64KiB") == 65'536);
  CHECK(parse_size("8MiB") == 8'388'608);
  CHECK(parse_size("8 MiB") == 8'388'608);
  CHECK(parse_size("0.25KiB") == 256);
  CHECK(parse_size("1.500000000000000000000KiB") == 1536);
  CHECK(parse_size("2.0") == 2);
  CHECK(parse_size("1GiB") == 1'073'741'824);
}

TEST_CASE("sizes: the largest one, and what lies beyond") {
  CHECK(parse_size("18446744073709551615") == std::numeric_limits<std::size_t>::max());
  CHECK(size_error("18446744073709551616") == "size '18446744073709551616' is too large" + kSizes);
  CHECK(size_error("17179869184GiB") == "size '17179869184GiB' is too large" + kSizes);
  CHECK(size_error("18446744073709551615.5KiB") == "size '18446744073709551615.5KiB' is too large" + kSizes);
  CHECK(size_error("99999999999999999999999999999999999999999999MiB").find("is too large") != std::string::npos);
}

TEST_CASE("sizes: every refusal") {
  CHECK(size_error("-8MiB") == "size '-8MiB' is negative" + kSizes);
  CHECK(size_error("") == "size '' does not begin with a number" + kSizes);
  CHECK(size_error("big") == "size 'big' does not begin with a number" + kSizes);
  CHECK(size_error(" 8MiB") == "size ' 8MiB' does not begin with a number" + kSizes);
  CHECK(size_error("+8") == "size '+8' does not begin with a number" + kSizes);
  CHECK(size_error("1.MiB") == "size '1.MiB' has no digit after the point" + kSizes);
  CHECK(size_error("8mib") == "size '8mib' has the unknown unit 'mib'" + kSizes);
  CHECK(size_error("8MiB ") == "size '8MiB ' has the unknown unit 'MiB '" + kSizes);
  CHECK(size_error("0x10") == "size '0x10' has the unknown unit 'x10'" + kSizes);
  CHECK(size_error("1e3") == "size '1e3' has the unknown unit 'e3'" + kSizes);
  CHECK(size_error("0.3B") == "size '0.3B' is not a whole number of bytes" + kSizes);
  CHECK(size_error("1.5") == "size '1.5' is not a whole number of bytes" + kSizes);
  CHECK(size_error("0.0000000000000001GiB") ==
        "size '0.0000000000000001GiB' has too many digits after the point" + kSizes);
}

TEST_CASE("durations: every unit and exact fractions") {
  CHECK(parse_duration("100ms") == 100ms);
  CHECK(parse_duration("2s") == 2s);
  CHECK(parse_duration("1.5s") == 1500ms);
  CHECK(parse_duration("250us") == 250us);
  CHECK(parse_duration("10ns") == 10ns);
  CHECK(parse_duration("5min") == 5min);
  CHECK(parse_duration("1h") == 1h);
  CHECK(parse_duration("0.000000001s") == 1ns);
  CHECK(parse_duration("0") == 0ns);
  CHECK(parse_duration("00") == 0ns);
  CHECK(parse_duration("0s") == 0ns);
  CHECK(parse_duration("9223372036854775807ns").count() == std::numeric_limits<std::int64_t>::max());
}

TEST_CASE("durations: every refusal") {
  CHECK(duration_error("5") == "duration '5' has no unit" + kDurations);
  CHECK(duration_error("0.1") == "duration '0.1' has no unit" + kDurations);
  CHECK(duration_error("-1s") == "duration '-1s' is negative" + kDurations);
  CHECK(duration_error("soon") == "duration 'soon' does not begin with a number" + kDurations);
  CHECK(duration_error("5sec") == "duration '5sec' has the unknown unit 'sec'" + kDurations);
  CHECK(duration_error("1.5ns") == "duration '1.5ns' is not a whole number of nanoseconds" + kDurations);
  CHECK(duration_error("9223372036854775808ns") == "duration '9223372036854775808ns' is too large" + kDurations);
  CHECK(duration_error("2562048h") == "duration '2562048h' is too large" + kDurations);
}

TEST_CASE("hostile text in a unit is escaped and cut in the message") {
  CHECK(size_error(std::string_view{"1\0\x1b\xff", 4}) ==
        "size '1\\x00\\x1b\\xff' has the unknown unit '\\x00\\x1b\\xff'" + kSizes);
  CHECK(size_error(std::string(1'000'000, 'x')) ==
        "size '" + std::string(80, 'x') + "...' does not begin with a number" + kSizes);
}

TEST_CASE("sizes are printed in the largest binary unit that is exact") {
  CHECK(format_size(0) == "0B");
  CHECK(format_size(1000) == "1000B");
  CHECK(format_size(1024) == "1KiB");
  CHECK(format_size(1536) == "1536B");
  CHECK(format_size(8'388'608) == "8MiB");
  CHECK(format_size(std::size_t{3} << 30U) == "3GiB");
  CHECK(format_size(std::numeric_limits<std::size_t>::max()) == "18446744073709551615B");
}

TEST_CASE("durations are printed in the largest unit that is exact") {
  CHECK(format_duration(0ns) == "0s");
  CHECK(format_duration(100'000'000ns) == "100ms");
  CHECK(format_duration(1500ms) == "1500ms");
  CHECK(format_duration(90s) == "90s");
  CHECK(format_duration(120s) == "2min");
  CHECK(format_duration(24h) == "24h");
  CHECK(format_duration(1ns) == "1ns");
  CHECK(format_duration(-250us) == "-250us");
  CHECK(format_duration(std::chrono::nanoseconds::min()) == "-9223372036854775808ns");
}

TEST_CASE("what is printed reads back as the same value") {
  for (std::size_t size = 1; size < (std::size_t{1} << 40U); size = size * 3 + 1) {
    CHECK(parse_size(format_size(size)) == size);
    const std::chrono::nanoseconds duration{static_cast<std::int64_t>(size)};
    CHECK(parse_duration(format_duration(duration)) == duration);
  }
}
