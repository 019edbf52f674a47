#include <sluice/transport_options.hpp>

#include <charconv>

#include <sluice/units.hpp>

namespace sluice {

std::optional<std::uint32_t> OptionReader::file_mode(const std::string& key) const {
  if (!has(key)) return std::nullopt;
  const std::string written = text(key);
  std::uint32_t mode = 0;
  const auto [end, error] = std::from_chars(written.data(), written.data() + written.size(), mode, 8);
  if (error != std::errc{} || end != written.data() + written.size() || mode > 0777) {
    refuse(key, "'" + written + "' is no file mode; write it in octal, e.g. '" + key + ": 0660'");
  }
  if ((mode & 0600U) != 0600U) {
    refuse(key, "'" + written + "' would shut out its own user; both sides need to read and write");
  }
  return mode;
}

void OptionReader::refuse(const std::string& key, const std::string& message) const {
  const auto found = spec_.options.find(key);
  throw ConfigError(found == spec_.options.end() ? spec_.origin(key) : found->second.origin,
                    "topic '" + spec_.name + "': " + key + ": " + message);
}

namespace {

/// What to write instead of `key`.
std::string remedy(const std::string& key, const std::vector<std::string>& known) {
  std::vector<std::string> candidates = known;
  candidates.insert(candidates.end(), kTopicSettings.begin(), kTopicSettings.end());
  std::string text = did_you_mean(key, candidates);
  if (!text.empty()) return text;
  for (const std::string& name : known) text += (text.empty() ? "; its options are " : ", ") + name;
  return text.empty() ? "; it has none" : text;
}

}  // namespace

void OptionReader::require_known(const std::vector<std::string>& known, const std::string& what) const {
  for (const auto& [key, option] : spec_.options) {
    bool found = false;
    for (const std::string& name : known) found = found || name == key;
    if (!found) refuse(key, "is no option of " + what + remedy(key, known));
  }
}

std::string OptionReader::text(const std::string& key) const {
  const auto found = spec_.options.find(key);
  return found == spec_.options.end() ? std::string{} : found->second.value;
}

std::size_t OptionReader::size(const std::string& key, std::size_t least, std::size_t most) const {
  try {
    const std::size_t value = parse_size(text(key));
    if (value >= least && value <= most) return value;
  } catch (const Error& error) {
    refuse(key, error.what());
  }
  refuse(key, "'" + text(key) + "' is not between " + format_size(least) + " and " + format_size(most));
}

std::uint32_t OptionReader::number(const std::string& key, std::uint32_t otherwise, std::uint32_t least,
                                   std::uint32_t most) const {
  if (!has(key)) return otherwise;
  const std::string value = text(key);
  std::uint32_t result = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
  if (error != std::errc{} || end != value.data() + value.size() || result < least || result > most) {
    refuse(key,
           "'" + value + "' is not a whole number between " + std::to_string(least) + " and " + std::to_string(most));
  }
  return result;
}

std::chrono::nanoseconds OptionReader::duration(const std::string& key, std::chrono::nanoseconds otherwise) const {
  if (!has(key)) return otherwise;
  try {
    return parse_duration(text(key));
  } catch (const Error& error) {
    refuse(key, error.what());
  }
}

bool OptionReader::boolean(const std::string& key, bool otherwise) const {
  if (!has(key)) return otherwise;
  const std::string value = text(key);
  if (value == "true") return true;
  if (value == "false") return false;
  refuse(key, "'" + value + "' is neither true nor false");
}

}  // namespace sluice
