#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/export.hpp>

namespace sluice {

/// The base of every exception that Sluice throws. The text names the thing, both sides' values and the remedy.
/// Setting up (opening, attaching, configuring) may throw; publish and take do not.
class SLUICE_EXPORT Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A system call failed. The text ends with the system's reason; `code()` is its errno.
class SLUICE_EXPORT SystemError : public Error {
 public:
  /// `what_failed` reads like "cannot open '/dev/shm/x'".
  SystemError(const std::string& what_failed, int error_number);
  /// The errno of the call that failed.
  [[nodiscard]] int code() const noexcept { return code_; }

 private:
  int code_;
};

/// Where a value came from: a place in a YAML file, or a word such as "default" when there is none.
struct SLUICE_EXPORT Origin {
  std::string source = "default";  ///< File path, or "default", "command line", "environment SLUICE_DOMAIN".
  int line = 0;                    ///< 1-based; 0 when `source` is not a file.
  int column = 0;                  ///< 1-based; 0 when `source` is not a file.

  /// "demo.yaml:12:5", or only the source when it is not a file.
  [[nodiscard]] std::string text() const;
};

/// Configuration that cannot be used. The text begins with the file, line and column.
class SLUICE_EXPORT ConfigError : public Error {
 public:
  /// The text becomes "ORIGIN: message".
  ConfigError(Origin origin, const std::string& message);
  /// The place that has to be changed.
  [[nodiscard]] const Origin& origin() const noexcept { return origin_; }

 private:
  Origin origin_;
};

/// The candidate nearest to `word` by edit distance, or an empty string when none is near enough to be a typing
/// mistake (at most a third of the letters differ).
[[nodiscard]] SLUICE_EXPORT std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

/// "; did you mean 'reliability'?" for the nearest candidate, or an empty string.
[[nodiscard]] SLUICE_EXPORT std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace sluice
