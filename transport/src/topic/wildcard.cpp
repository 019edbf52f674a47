#include "topic/wildcard.hpp"

#include <cstddef>

#include "topic/topic_name_rules.hpp"

namespace sluice::detail {

std::vector<std::string_view> split_name(std::string_view name) {
  std::vector<std::string_view> tokens;
  name.remove_prefix(name.starts_with('/') ? 1 : 0);
  while (true) {
    const std::size_t slash = name.find('/');
    tokens.push_back(name.substr(0, slash));
    if (slash == std::string_view::npos) return tokens;
    name.remove_prefix(slash + 1);
  }
}

std::string absolute_pattern(std::string_view what, std::string name, const Origin& place) {
  try {
    check_name(what, name, NameForm{.wildcards = true});
    if (name.starts_with('/')) return name;
    name.insert(name.begin(), '/');
    check_name(what, name, NameForm{.wildcards = true});
  } catch (const Error& error) {
    throw ConfigError(place, error.what());
  }
  return name;
}

TopicPattern::TopicPattern(std::string text) : text_(std::move(text)) {
  for (const std::string_view token : split_name(text_)) tokens_.emplace_back(token);
  for (const std::string& token : tokens_) {
    if (token == "**") {
      specificity_.minus_any -= 1;
    } else if (token == "*") {
      specificity_.ones += 1;
    } else {
      specificity_.literals += 1;
    }
  }
  specificity_.exact = specificity_.minus_any == 0 && specificity_.ones == 0;
}

bool TopicPattern::matches(const std::vector<std::string_view>& tokens) const noexcept {
  // Only the last `**` is ever widened: what an earlier one could gain, the later one can take too. So the time is at
  // most the product of the lengths, where trying every `**` would be exponential.
  std::size_t here = 0;
  std::size_t next = 0;
  std::size_t resume_pattern = tokens_.size() + 1;  // none seen
  std::size_t resume_name = 0;
  while (next < tokens.size()) {
    if (here < tokens_.size() && tokens_[here] == "**") {
      resume_pattern = ++here;
      resume_name = next;
    } else if (here < tokens_.size() && (tokens_[here] == "*" || tokens_[here] == tokens[next])) {
      ++here;
      ++next;
    } else if (resume_pattern <= tokens_.size()) {
      here = resume_pattern;
      next = ++resume_name;
    } else {
      return false;
    }
  }
  while (here < tokens_.size() && tokens_[here] == "**") ++here;
  return here == tokens_.size();
}

}  // namespace sluice::detail
