#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/error.hpp>

namespace sluice::detail {

/// "/imu/raw" -> {"imu", "raw"}; the views are into `name`.
[[nodiscard]] std::vector<std::string_view> split_name(std::string_view name);

/// The pattern that a configuration's key is: there is no namespace in a file, so "imu" and "/imu" are one. `what`
/// begins the sentence: "topic name", "node name". Throws ConfigError at `place`.
[[nodiscard]] std::string absolute_pattern(std::string_view what, std::string name, const Origin& place);

/// A fully qualified topic name in which the token `*` stands for one token and `**` for any number of them, none
/// included. A name without either is a pattern that matches itself. Immutable.
class TopicPattern {
 public:
  /// `text` has passed check_name with wildcards allowed and begins with '/'.
  explicit TopicPattern(std::string text);

  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] bool exact() const noexcept { return specificity_.exact; }
  [[nodiscard]] bool matches(const std::vector<std::string_view>& tokens) const noexcept;

  /// Greater is more specific: an exact name, then more literal tokens, then fewer `**`; of those that still tie the
  /// one with more `*`, because each demands one more token (`/*/**` is a part of `/**`).
  struct Specificity {
    bool exact = false;
    int literals = 0;
    int minus_any = 0;  // the number of `**`, negated
    int ones = 0;
    friend auto operator<=>(const Specificity&, const Specificity&) = default;
  };
  [[nodiscard]] const Specificity& specificity() const noexcept { return specificity_; }

 private:
  std::string text_;
  std::vector<std::string> tokens_;
  Specificity specificity_;
};

}  // namespace sluice::detail
