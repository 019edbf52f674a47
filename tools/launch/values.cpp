#include "values.hpp"

#include <charconv>

#include <sluice/error.hpp>
#include <sluice/units.hpp>

#include "substitution.hpp"

namespace sluice::launch {

namespace {

std::chrono::nanoseconds parsed(const std::string& written, const Text& text, const std::string& what) {
  try {
    return parse_duration(written);
  } catch (const Error& error) {
    throw ConfigError(text.origin, what + ": " + error.what());
  }
}

}  // namespace

std::chrono::nanoseconds expand_duration(const Text& text, const Scope& scope, const std::string& what) {
  return parsed(expand(text, scope), text, what);
}

std::chrono::nanoseconds expand_seconds(const Text& text, const Scope& scope, const std::string& what) {
  const std::string written = expand(text, scope);
  const bool number = !written.empty() && written.find_first_not_of("0123456789.") == std::string::npos;
  return parsed(number ? written + "s" : written, text, what);
}

std::size_t expand_count(const Text& text, const Scope& scope, const std::string& what) {
  const std::string written = expand(text, scope);
  std::size_t count = 0;
  const char* const end = written.data() + written.size();
  const auto [stopped, error] = std::from_chars(written.data(), end, count);
  if (error == std::errc{} && stopped == end) return count;
  throw ConfigError(text.origin, what + " must be a whole number, not '" + written + "'");
}

}  // namespace sluice::launch
